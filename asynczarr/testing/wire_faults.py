"""What can go wrong with one request, and when it does: by a script, or drawn by a seed."""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .wire import Request

__all__ = ["NO_FAULT", "Drawn", "WireFault", "Schedule", "Scripted", "seed"]


@dataclass(frozen=True, slots=True)
class WireFault:
    """What happens to one request. Fields can be combined; without any, nothing happens.

    "Before" and "after" are meant of the moment at which the request is carried out: a reset after it is a lost
    acknowledgement.

    Attributes:
        delay: seconds until the request is carried out.
        late: seconds from then until it is answered.
        bandwidth: bytes a second of the body of the answer; 1 is a slow drip.
        reset: the connection is reset ``"before"`` or ``"after"``, or in the middle of the answer (``"body"``).
        silent: the connection stays open and no answer comes; ``"before"`` or ``"after"``.
        status: this status is the answer, and the request is not carried out unless `committed` is set.
        retry_after: the header Retry-After of such an answer, in seconds.
        committed: the request is carried out all the same.
        cut: bytes of the body after which the connection is closed, although Content-Length promised all of them.
        length_error: bytes by which Content-Length is wrong. If it promises fewer, no more than those are sent: a short
            answer that agrees with itself.
        whole: the header Range is ignored: 200 instead of 206.
        shift: bytes by which the range that is answered lies behind the one that was asked.
        flip: number of a bit of the body (modulo its length) that is turned.
        stale: changes of the store that a listing does not show yet.
        duplicate: the request is carried out once more, this many seconds later; the first answer counts.
        before: called before the request is carried out, e.g. to change the value behind the reader's back.
    """

    delay: float = 0.0
    late: float = 0.0
    bandwidth: float | None = None
    reset: Literal["before", "after", "body"] | None = None
    silent: Literal["before", "after"] | None = None
    status: int | None = None
    retry_after: float | None = None
    committed: bool = False
    cut: int | None = None
    length_error: int = 0
    whole: bool = False
    shift: int = 0
    flip: int | None = None
    stale: int = 0
    duplicate: float | None = None
    before: Callable[[], object] | None = None


NO_FAULT = WireFault()

Schedule: TypeAlias = Callable[[Request], WireFault]
"""Chooses the fault of a request; asked once for each, in the order of arrival."""


class Scripted:
    """The n-th of the requests that match gets the n-th fault; the others, and those after the last, get none.

    Args:
        faults: in order; ``None`` for a request that goes well.
        verbs: the HTTP verbs that match; all if there are none.
        key: what the key of a match contains.
        always: the faults start again after the last.
    """

    def __init__(
        self, *faults: WireFault | None, verbs: Sequence[str] = (), key: str = "", always: bool = False
    ) -> None:
        self._faults = faults
        self._verbs = verbs
        self._key = key
        self._always = always
        self.met: int = 0

    def __call__(self, request: Request) -> WireFault:
        """The fault of this request."""
        if (self._verbs and request.verb not in self._verbs) or self._key not in request.key:
            return NO_FAULT
        number = self.met
        self.met += 1
        if number >= len(self._faults):
            if not self._always:
                return NO_FAULT
            number %= len(self._faults)
        return self._faults[number] or NO_FAULT


class Drawn:
    """Each request draws one of the faults, or none.

    The n-th request of a verb for a key draws the same under the same seed, however the requests of several clients
    are interleaved: so a failure can be replayed.

    Args:
        chances: probability of each fault; their sum is at most 1.
        seed: of the draw; by default that of :func:`seed`.
        verbs: HTTP verbs that draw; all if there are none.
        at_most: how many faults one verb and key meets in a row, so that retries must end.
    """

    def __init__(
        self,
        chances: Mapping[WireFault, float],
        *,
        seed: int | None = None,
        verbs: Sequence[str] = (),
        at_most: int | None = None,
    ) -> None:
        if sum(chances.values()) > 1 + 1e-9:
            raise ValueError("the probabilities of all faults together are more than 1")
        self._chances = dict(chances)
        self._seed = _seed() if seed is None else seed
        self._verbs = verbs
        self._at_most = at_most
        self._asked: Counter[tuple[str, str]] = Counter()
        self._row: Counter[tuple[str, str]] = Counter()
        self.met: Counter[WireFault] = Counter()

    def __call__(self, request: Request) -> WireFault:
        """The fault of this request."""
        if self._verbs and request.verb not in self._verbs:
            return NO_FAULT
        place = (request.verb, request.key)
        self._asked[place] += 1
        fault = self._draw(random.Random(f"{self._seed} {place} {self._asked[place]}").random())
        if fault is NO_FAULT or (self._at_most is not None and self._row[place] >= self._at_most):
            del self._row[place]
            return NO_FAULT
        self._row[place] += 1
        self.met[fault] += 1
        return fault

    def _draw(self, point: float) -> WireFault:
        for fault, chance in self._chances.items():
            if point < chance:
                return fault
            point -= chance
        return NO_FAULT


def seed() -> int:
    """The environment variable ``ASYNCZARR_SEED``; if it is not set, it is drawn and set, for child processes too."""
    return int(os.environ.setdefault("ASYNCZARR_SEED", str(secrets.randbelow(2**32))))


_seed = seed
