"""What can go wrong with the calls of a :class:`~asynczarr.testing.FaultyStore`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, TypeAlias

from ..errors import StoreError
from ..middleware.base import Request, Verb

__all__ = ["READS", "Fault", "FaultKind", "Injected"]

FaultKind: TypeAlias = Literal[
    "before", "after", "delay", "throttle", "truncate", "cut", "flip", "duplicate", "late", "stale"
]

READS = ("get", "get_ranges")
"""Verbs that read a value."""

_WRITES = ("set", "delete", "delete_many")
_LISTINGS = ("list", "list_dir")
_VERBS: Mapping[str, tuple[str, ...]] = {
    "truncate": READS,
    "flip": READS,
    "cut": (*READS, *_LISTINGS),
    "duplicate": _WRITES,
    "late": _WRITES,
    "stale": _LISTINGS,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and with which calls.

    ========= ==================================================================================================
    kind      what happens
    ========= ==================================================================================================
    before    the call fails, and the store has not seen it
    after     the call is done, and its answer is lost: the caller gets the very error of ``before``
    delay     the call is made `seconds` later
    throttle  the store asks to slow down, without doing the call
    truncate  a value that is read misses its last byte or more, and nothing says so
    cut       the answer breaks off: ``Truncated`` for a value, with what was received of a single range where the
              store has versions, and ``ConnectionFailed`` amid the names of a listing
    flip      one bit of a value that is read is wrong, and nothing says so
    duplicate a write arrives twice, as a transport makes it that sends again; the caller gets the second answer
    late      a write times out for the caller and is done `seconds` later
    stale     a listing does not know of the latest `writes` writes
    ========= ==================================================================================================

    Attributes:
        kind: what happens.
        verbs: calls that it can meet; empty: all for which the kind makes sense.
        keys: pattern (``fnmatch``) of the keys, or prefixes, that it can meet.
        after: calls that fit and are let through before the first one is met.
        times: calls that are met, ``None`` for all.
        probability: chance of each call to be met.
        during: seconds since the store was made, from and to, by its clock.
        seconds: how long a delay is, and how late a late write.
        writes: how many writes a stale listing misses.
        retry_after: what ``throttle`` asks for, in seconds.
        error: makes the error of ``before``, ``after`` and ``late``; without it a connection that broke after the
            request may have been sent, and for ``late`` a timeout.
    """

    kind: FaultKind
    verbs: Sequence[Verb] = ()
    keys: str = "*"
    after: int = 0
    times: int | None = 1
    probability: float = 1.0
    during: tuple[float, float] | None = None
    seconds: float = 0.0
    writes: int = 1
    retry_after: float | None = None
    error: Callable[[], StoreError] | None = None

    def fits(self, request: Request, age: float) -> bool:
        """Whether it can meet this call, made `age` seconds after the store was."""
        if self.during is not None and not self.during[0] <= age < self.during[1]:
            return False
        verbs = self.verbs or _VERBS.get(self.kind)
        return (verbs is None or request.verb in verbs) and fnmatchcase(request.key, self.keys)


class Injected(NamedTuple):
    """One fault that happened.

    Attributes:
        verb: the call.
        key: its key or prefix.
        number: how many calls of this verb and key were made before.
        kind: what happened.
    """

    verb: Verb
    key: str
    number: int
    kind: FaultKind
