"""A store that nobody can write to through this object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from ..errors import StoreClosed, Unsupported
from ..store.base import Capabilities, Store
from ..store.keys import validate_key
from ..types import BytesLike, Version
from .blocking import BlockingWrapper

__all__ = ["ReadOnly"]


class ReadOnly(BlockingWrapper):
    """Passes reads and listings on; every write raises ``Unsupported`` before anything is asked of `inner`.

    Args:
        inner: the store; it is closed with this one.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped store, without the writing."""
        return replace(self.inner.capabilities, write=False, create=False, cas=False, metadata=False)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """Refuse."""
        self._refuse(key)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """Refuse."""
        self._refuse(key)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Refuse, unless there is nothing to do."""
        for key in keys:
            self._refuse(key)

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """Refuse."""
        self._refuse(key)

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        """Refuse, unless there is nothing to do."""
        for key, _ in items:
            self._refuse(key)

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """Refuse."""
        self._refuse(key)

    async def aclose(self) -> None:
        """Close the wrapped store."""
        self._closed = True
        await super().aclose()

    def _refuse(self, key: str) -> NoReturn:
        validate_key(key)
        if self._closed:
            raise StoreClosed("the store is closed", store=self.url, key=key)
        raise Unsupported("the store is read-only", store=self.url, key=key)
