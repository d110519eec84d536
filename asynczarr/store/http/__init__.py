"""Values behind ``http://`` and ``https://``, read-only."""

from .store import HTTPStore

__all__ = ["HTTPStore"]
