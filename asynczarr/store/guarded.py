"""What stores do around each call: refuse what cannot be, and name themselves and the key in every error."""

from __future__ import annotations

from ..errors import AsyncZarrError, StoreClosed, Unsupported
from .base import Capabilities, StoreBase
from .keys import validate_key, validate_prefix
from .remade import Remade

__all__ = ["GuardedStore", "Place"]


class Place:
    """Gives the errors of its block the URL of a store and a key, as far as they have none."""

    __slots__ = ("_key", "_store")

    def __init__(self, store: str, key: str | None) -> None:
        self._store, self._key = store, key

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AsyncZarrError):
            error.at(store=self._store, key=self._key)


class GuardedStore(StoreBase, Remade):
    """A store that sets its URL and capabilities when it is made, and `_closed` when it is closed."""

    _url: str
    _capabilities: Capabilities
    _closed = False

    @property
    def url(self) -> str:
        """Address, without secrets."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return self._capabilities

    def _reading(self, key: str) -> Place:
        """Around a read.

        Raises:
            KeyInvalid: no store may be given this key.
            StoreClosed: the store is closed.
        """
        place = Place(self._url, key)
        with place:
            validate_key(key)
            self._check_usable()
        return place

    def _writing(self, *keys: str) -> Place:
        """Around a write; an error of one of several keys has to name it itself.

        Raises:
            KeyInvalid: no store may be given one of these keys.
            StoreClosed: the store is closed.
            Unsupported: it can only be read.
        """
        place = Place(self._url, keys[0] if len(keys) == 1 else None)
        with place:
            for key in keys:
                validate_key(key)
            self._check_usable()
            if not self._capabilities.write:
                raise Unsupported("the store was opened read-only")
        return place

    def _listing(self, prefix: str) -> Place:
        """Around a page of a listing.

        Raises:
            KeyInvalid: nothing is below such a prefix.
            StoreClosed: the store is closed.
            Unsupported: it has no listing.
        """
        place = Place(self._url, prefix)
        with place:
            validate_prefix(prefix)
            self._check_usable()
            if not self._capabilities.list:
                raise Unsupported("the store has no listing")
        return place

    def _check_usable(self) -> None:
        """Raise if the store is closed, or cannot be used here for another reason."""
        if self._closed:
            raise StoreClosed("the store is closed")
