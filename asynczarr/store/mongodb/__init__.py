"""MongoDB: a document a key, and GridFS for what is large."""

from .store import MongoStore

__all__ = ["MongoStore"]
