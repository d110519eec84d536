"""What stores that can only be read say to writers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from ..errors import Unsupported
from ..types import BytesLike, Version
from .base import Capabilities
from .guarded import GuardedStore

__all__ = ["ReadOnlyStore"]


class ReadOnlyStore(GuardedStore):
    """Refuses every write."""

    _capabilities = Capabilities(write=False)

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
        with self._writing(key):
            raise Unsupported("the store can only be read")

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """Refused: ``Unsupported``."""
        with self._writing(key):
            raise Unsupported("the store can only be read")

    @abstractmethod
    async def aclose(self) -> None:
        """See ``Store.aclose``."""
