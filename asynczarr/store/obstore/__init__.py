"""Any store of obstore, and obstore as a second engine for URLs."""

from .store import ObstoreStore

__all__ = ["ObstoreStore"]
