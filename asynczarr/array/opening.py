"""The two forms of opening a node: ``await az.open_array(...)`` and ``async with az.open_array(...) as array``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Opening"]


class _Closable(Protocol):
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


N = TypeVar("N", bound=_Closable)


class Opening(Generic[N]):
    """A node that is about to be opened or created. Nothing happens before it is awaited or entered.

    ``await`` hands the node over: close it with ``aclose()`` when a store was opened for it (zip archives are only
    written then). ``async with`` closes it in any case; left by an exception, it leaves a zip archive as it was.
    """

    __slots__ = ("_make", "_node")

    def __init__(self, make: Callable[[], Awaitable[N]]) -> None:
        self._make = make
        self._node: N | None = None

    def __await__(self) -> Generator[Any, None, N]:
        return self._make().__await__()

    async def __aenter__(self) -> N:
        self._node = await self._make()
        return self._node

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._node is not None:
            await self._node.__aexit__(kind, error, trace)
