"""Events of stores, and of the middleware around them."""

from __future__ import annotations

from dataclasses import dataclass

from ..spans import Kind
from .base import Event, Failed, Start, Stop

__all__ = [
    "REQUEST",
    "Attempt",
    "Hedge",
    "Limit",
    "Resume",
    "CacheEvict",
    "CacheHit",
    "CacheMiss",
    "RequestFailed",
    "RequestStart",
    "RequestStop",
    "Retry",
    "RetryBudget",
    "Throttle",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request(Event):
    """A call of a store.

    Attributes:
        span: number of the request.
        store: URL of the store, without secrets.
        verb: name of the store's method.
        key: its key; of ``get_many`` and ``delete_many`` the first, of ``list`` and ``list_dir`` the prefix.
        ranges: byte ranges asked for; 0 for the whole value.
        size: bytes to be written.
        queue_depth: requests of the same store that were in flight when this one began.
    """

    span: int
    store: str
    verb: str
    key: str
    ranges: int = 0
    size: int = 0
    queue_depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStart(_Request, Start):
    """A call of a store begins; what middleware below it does (attempts, retries, caches) has it as parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStop(_Request, Stop):
    """A call of a store has returned.

    Attributes:
        duration: seconds since its start, all attempts and waits included.
        nbytes: bytes of values read or written; of a listing the number of names.
        found: whether the key (of ``get_many`` any) exists; a missing key is no failure.
        attempts: attempts made for it, those of reading back included.
    """

    duration: float
    nbytes: int = 0
    found: bool = True
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(Failed, _Request):
    """A call of a store has raised, or was cancelled.

    Attributes:
        duration: seconds since its start.
        attempts: attempts made for it, those of reading back included.
    """

    duration: float
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy(Event):
    """What middleware does about a call of a store.

    Attributes:
        store: URL of the store, without secrets.
        verb: name of the store's method.
        key: its key.
    """

    store: str
    verb: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(_Policy):
    """One attempt has ended, well or not.

    Attributes:
        number: which one, from 1.
        duration: seconds.
        error: class of the error; empty if it went well.
    """

    number: int
    duration: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(_Policy):
    """A failed attempt will be repeated.

    Attributes:
        number: attempts made so far.
        delay: seconds until the next.
        error: class of the error.
    """

    number: int
    delay: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Event):
    """A body has broken off, and its rest is asked for.

    Attributes:
        store: URL of the store, without secrets.
        key: its key.
        nbytes: bytes that have arrived.
        error: class of the error.
    """

    store: str
    key: str
    nbytes: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge(Event):
    """A read takes long, and is asked for a second time beside the first.

    Attributes:
        store: URL of the store, without secrets.
        delay: seconds that the first has had.
    """

    store: str
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget(Event):
    """A retry has asked the retry budget of its endpoint.

    Attributes:
        store: URL of the store, without secrets.
        cost: tokens asked for.
        left: tokens left after it.
        refused: there were not enough, so that the error is final.
    """

    store: str
    cost: float
    left: float
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(Event):
    """The service has asked to slow down, and the rate of requests changes.

    Attributes:
        store: URL of the store, without secrets.
        rate: requests a second from now on; 0 where only a pause was asked for.
        delay: seconds during which no request begins.
    """

    store: str
    rate: float = 0.0
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(_Policy):
    """A request, or a step of a listing, has waited for room below the limits of its endpoint, and begins.

    Attributes:
        delay: seconds that it has waited.
        requests: requests that were in flight to the endpoint when it came.
        nbytes: bytes that were in flight to the endpoint when it came.
    """

    delay: float
    requests: int
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cache(Event):
    """What a cache does.

    Attributes:
        store: URL of the store, without secrets; empty where the cache does not know it.
        cache: which cache: ``"index"`` for shard indexes, ``"values"``, ``"chunks"``.
        key: key in the store.
        nbytes: bytes that the entry takes in memory; of a miss 0.
    """

    store: str
    cache: str
    key: str
    nbytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit(_Cache):
    """A cache had what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMiss(_Cache):
    """A cache did not have what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEvict(_Cache):
    """A cache has dropped an entry to stay within its bytes."""


REQUEST = Kind(RequestStart, RequestStop, RequestFailed)
