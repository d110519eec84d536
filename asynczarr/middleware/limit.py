"""At most so many requests, and so many bytes, in flight to one endpoint."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..types import Parts
from .base import Request, Wrapper
from .endpoint import PerEndpoint, endpoint
from .listing import steps

__all__ = ["Limit"]

T = TypeVar("T")

_BYTES = (bytes, bytearray, memoryview)


class Limit(Wrapper):
    """Lets a request through when there is room for it and for its bytes, first come, first served.

    The count is shared by all stores of one endpoint (service, account or bucket) in one event loop; each store waits
    until it is below its own limits. One around another counts for itself, so that both limits hold. Nobody overtakes,
    so that small requests cannot keep a large one waiting for ever; one that is larger than `max_bytes` goes alone.

    Bytes are known from ranges and from what is written. Where they are not, an estimate is taken that every answer
    trues up: it follows a larger one at once and smaller ones slowly.

    Args:
        inner: the store.
        requests: most requests in flight. A step of a listing is one.
        max_bytes: most bytes in flight.
        estimate: bytes of the first value of unknown size.
        share: name under which stores share one count, instead of their endpoint.

    Raises:
        ValueError: a limit below 1.
    """

    def __init__(
        self,
        inner: Store,
        *,
        requests: int = 64,
        max_bytes: int = 256 * 2**20,
        estimate: int = 2**20,
        share: str | None = None,
    ) -> None:
        super().__init__(inner)
        if requests < 1 or max_bytes < 1:
            raise ValueError(f"at least one request and one byte must be allowed, not {requests} and {max_bytes}")
        self._limits = _Limits(requests, max_bytes)
        self._estimate = float(estimate)
        self._share = _not_inside(inner, endpoint(inner) if share is None else share)

    @property
    def limited(self) -> bool:
        """It is what this does."""
        return True

    @property
    def estimate(self) -> int:
        """Bytes that a value of unknown size is taken for now."""
        return int(self._estimate)

    @property
    def in_flight(self) -> tuple[int, int]:
        """Requests and bytes in flight to the endpoint, in the running loop."""
        gate = self._gate()
        return gate.requests, gate.bytes

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """Wait for room, then do the call."""
        gate, size = self._gate(), self._size(request)
        if not gate.enter(size, self._limits):
            await self._wait(request, gate, size)
        try:
            answer = await send()
        finally:
            gate.leave(size)
        self._true_up(request, answer)
        return answer

    async def _wait(self, request: Request, gate: _Gate, size: int) -> None:
        begun, requests, nbytes = monotonic(), gate.requests, gate.bytes
        await gate.wait(size, self._limits)
        if hooks.active:
            store, delay = public(self.url), monotonic() - begun
            verb, key = request.verb, request.key
            hooks.emit(events.Limit(store=store, verb=verb, key=key, delay=delay, requests=requests, nbytes=nbytes))

    async def _listed(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        async for name in steps(names, lambda send: self.around(request, send)):
            yield name

    def _gate(self) -> _Gate:
        return _gates.get(self._share, _Gate)

    def _size(self, request: Request) -> int:
        """Bytes that a request will move, as far as one can tell."""
        if request.verb == "get" and not request.ranges:
            return self.estimate
        size = request.size
        for part in request.ranges:
            length = part.length
            size += self.estimate if length is None else length
        return size

    def _true_up(self, request: Request, answer: object) -> None:
        """Learn from values whose size was not known."""
        if isinstance(answer, Parts):
            pairs = zip(request.ranges, answer.data, strict=True)
            sizes = [len(data) for part, data in pairs if part.length is None]
        elif isinstance(answer, _BYTES) and all(part.length is None for part in request.ranges):
            sizes = [len(answer)]
        else:
            return
        for size in sizes:
            self._estimate = max(float(size), 0.9 * self._estimate + 0.1 * size)


def _not_inside(inner: Store, name: str) -> str:
    """The name of a count that no limit inside has: a request that holds its place would wait for itself."""
    taken, store = set(), inner
    while isinstance(store, Wrapper):
        if isinstance(store, Limit):
            taken.add(store._share)
        store = store.inner
    while name in taken:
        name = f"around {name}"
    return name


@dataclass(frozen=True, slots=True)
class _Limits:
    requests: int
    bytes: int


class _Gate:
    """Requests and bytes in flight to one endpoint, and who waits for room, in the order of their coming."""

    __slots__ = ("_waiting", "bytes", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        self._waiting: deque[tuple[int, _Limits, asyncio.Future[None]]] = deque()

    def enter(self, size: int, limits: _Limits) -> bool:
        """Go in at once, if there is room and nobody waits."""
        if self._waiting or not self._has_room(size, limits):
            return False
        self._take(size)
        return True

    async def wait(self, size: int, limits: _Limits) -> None:
        """Go in when all who came before have, and there is room."""
        admitted = asyncio.get_running_loop().create_future()
        self._waiting.append((size, limits, admitted))
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.cancelled():
                self._admit()  # the next ones may need less room
            else:  # let in, and gone in the same moment
                self.leave(size)
            raise

    def leave(self, size: int) -> None:
        self.requests -= 1
        self.bytes -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            size, limits, admitted = self._waiting[0]
            if not admitted.cancelled():
                if not self._has_room(size, limits):
                    return
                self._take(size)
                admitted.set_result(None)
            self._waiting.popleft()

    def _has_room(self, size: int, limits: _Limits) -> bool:
        if self.requests >= limits.requests:
            return False
        return not size or not self.bytes or self.bytes + size <= limits.bytes

    def _take(self, size: int) -> None:
        self.requests += 1
        self.bytes += size


_gates: PerEndpoint[_Gate] = PerEndpoint()
