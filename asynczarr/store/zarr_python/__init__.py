"""Any store of zarr-python."""

from .store import ZarrPythonStore

__all__ = ["ZarrPythonStore"]
