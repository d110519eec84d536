"""What stores that can only be read say to writers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NoReturn

from ..errors import StoreClosed, Unsupported
from ..types import BytesLike, Version
from .base import StoreBase
from .keys import validate_key

__all__ = ["ReadOnlyStore"]


class ReadOnlyStore(StoreBase):
    """Refuses every write; remembers whether it was closed."""

    _closed = False

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """Refused: ``Unsupported``."""
        self._refuse(key)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """Refused: ``Unsupported``."""
        self._refuse(key)

    @abstractmethod
    async def aclose(self) -> None:
        """See ``Store.aclose``."""

    def _refuse(self, key: str) -> NoReturn:
        validate_key(key)
        self._check_open(key)
        raise Unsupported("the store can only be read", store=self.url, key=key)

    def _check_open(self, key: str) -> None:
        if self._closed:
            raise StoreClosed("the store is closed", store=self.url, key=key)
