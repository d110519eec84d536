"""The libraries that are compared, by name. Each module is imported only in the process of its peer."""

from __future__ import annotations

from importlib import import_module

from .base import Peer

__all__ = ["load"]

_HOMES = {
    "asynczarr": ("own", "AsyncZarr"),
    "zarr": ("zarr_python", "Batched"),
    "zarr-fused": ("zarr_python", "Fused"),
    "zarr-zarrs": ("zarr_python", "Zarrs"),
    "zarrista": ("zarrista_sync", "Zarrista"),
    "zarrista-async": ("zarrista_async", "ZarristaAsync"),
    "tensorstore": ("tensor_store", "TensorStore"),
    "s3 asynczarr": ("far", "S3AsyncZarr"),
    "s3 asynczarr obstore": ("far", "S3AsyncZarrObstore"),
    "s3 zarr": ("far_zarr_python", "S3Zarr"),
    "s3 zarrista": ("far_zarrista", "S3Zarrista"),
    "s3 tensorstore": ("far_tensor_store", "S3TensorStore"),
}


def load(name: str) -> Peer:
    """Make the peer of that name.

    Raises:
        ImportError: it is not installed.
        Unsupported: it is, but its version lacks what is measured.
    """
    module, kind = _HOMES[name]
    peer: Peer = getattr(import_module(f".{module}", __name__), kind)()
    return peer
