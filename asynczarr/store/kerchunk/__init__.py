"""Kerchunk references, read-only."""

from .store import ReferenceStore

__all__ = ["ReferenceStore"]
