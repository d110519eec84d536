"""Redis: one string a key."""

from .store import RedisStore

__all__ = ["RedisStore"]
