"""LMDB: a table on disk or in memory that the processes of one host share."""

from .store import LMDBStore

__all__ = ["LMDBStore"]
