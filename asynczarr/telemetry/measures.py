"""What the events measure: one table for all metric systems, with labels of few values (never keys or paths)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from . import events as ev
from .address import scheme

__all__ = ["INSTRUMENTS", "RULES", "Instrument", "measure"]

_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_COUNTS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_BYTES = tuple(float(2**power) for power in range(10, 33, 2))


@dataclass(frozen=True, slots=True)
class Instrument:
    """A counter or histogram.

    Attributes:
        name: name with dots.
        kind: ``"counter"`` or ``"histogram"``.
        unit: ``"s"``, ``"By"`` (bytes) or ``"1"``.
        text: what it measures.
        labels: names of its labels.
    """

    name: str
    kind: Literal["counter", "histogram"]
    unit: Literal["s", "By", "1"]
    text: str
    labels: tuple[str, ...]

    @property
    def buckets(self) -> tuple[float, ...]:
        """Upper bounds of a histogram's buckets."""
        return {"s": _SECONDS, "By": _BYTES, "1": _COUNTS}[self.unit]


Rule: TypeAlias = tuple[Instrument, Callable[[Any], float], Callable[[Any], tuple[str, ...]]]

RULES: dict[type[ev.Event], list[Rule]] = {}
"""For each event what is added to which instrument, with which values of its labels."""

INSTRUMENTS: list[Instrument] = []


def measure(event: ev.Event) -> Iterator[tuple[Instrument, float, tuple[str, ...]]]:
    """Instruments that an event counts for, amounts, and values of their labels."""
    for instrument, amount, labels in RULES.get(type(event), ()):
        yield instrument, amount(event), labels(event)


def _histogram(name: str, unit: Literal["s", "By", "1"], text: str, *labels: str) -> Instrument:
    return _instrument(Instrument(name, "histogram", unit, text, labels))


def _counter(name: str, unit: Literal["By", "1"], text: str, *labels: str) -> Instrument:
    return _instrument(Instrument(name, "counter", unit, text, labels))


def _instrument(made: Instrument) -> Instrument:
    INSTRUMENTS.append(made)
    return made


def _add(
    to: Instrument, amount: Callable[[Any], float], labels: Callable[[Any], tuple[str, ...]], *kinds: type[ev.Event]
) -> None:
    for kind in kinds:
        RULES.setdefault(kind, []).append((to, amount, labels))


def _error(event: Any) -> str:
    return getattr(event, "error", "")


def _duration(event: Any) -> float:
    seconds: float = event.duration
    return seconds


def _one(event: Any) -> float:
    return 1


def _verb(event: Any) -> tuple[str, ...]:
    return scheme(event.store), event.verb


def _verb_error(event: Any) -> tuple[str, ...]:
    return scheme(event.store), event.verb, _error(event)


_requests = _histogram(
    "asynczarr.request.duration", "s", "calls of stores, retries and waits included", "scheme", "verb", "error"
)
_add(_requests, _duration, _verb_error, ev.RequestStop, ev.RequestFailed)
_moved = _counter("asynczarr.request.bytes", "By", "bytes of values read and written", "scheme", "verb")
_add(_moved, lambda e: 0 if e.verb.startswith("list") else e.nbytes, _verb, ev.RequestStop)
_in_flight = _histogram(
    "asynczarr.request.queue_depth", "1", "requests in flight to a store when another begins", "scheme", "verb"
)
_add(_in_flight, lambda e: e.queue_depth, _verb, ev.RequestStart)
_attempts = _histogram("asynczarr.attempt.duration", "s", "single attempts", "scheme", "verb", "error")
_add(_attempts, _duration, _verb_error, ev.Attempt)
_delays = _histogram("asynczarr.retry.delay", "s", "pauses before a retry", "scheme", "verb", "error")
_add(_delays, lambda e: e.delay, _verb_error, ev.Retry)
_budget = _counter("asynczarr.retry.budget", "1", "retries that asked the retry budget", "scheme", "refused")
_add(_budget, _one, lambda e: (scheme(e.store), str(e.refused).lower()), ev.RetryBudget)
_resumed = _counter("asynczarr.request.resumed", "1", "broken bodies whose rest was asked for", "scheme", "error")
_add(_resumed, _one, lambda e: (scheme(e.store), e.error), ev.Resume)
_hedged = _counter("asynczarr.request.hedged", "1", "reads asked for a second time", "scheme")
_add(_hedged, _one, lambda e: (scheme(e.store),), ev.Hedge)
_throttled = _counter("asynczarr.throttle", "1", "times that a service asked to slow down", "scheme")
_add(_throttled, _one, lambda e: (scheme(e.store),), ev.Throttle)
_waited = _histogram("asynczarr.limit.delay", "s", "waits of requests for room below the limits", "scheme", "verb")
_add(_waited, lambda e: e.delay, _verb, ev.Limit)

_lookups = _counter("asynczarr.cache.lookups", "1", "lookups in caches", "cache", "result")
_add(_lookups, _one, lambda e: (e.cache, "hit"), ev.CacheHit)
_add(_lookups, _one, lambda e: (e.cache, "miss"), ev.CacheMiss)
_evicted = _counter("asynczarr.cache.evicted", "By", "bytes dropped by caches to stay within their bounds", "cache")
_add(_evicted, lambda e: e.nbytes, lambda e: (e.cache,), ev.CacheEvict)

_codec = _histogram("asynczarr.codec.duration", "s", "encoding or decoding of one chunk", "direction", "codecs")
_coded = _counter("asynczarr.codec.bytes", "By", "bytes before and after the codecs", "direction", "codecs", "side")


def _coding(kind: type[ev.Event], direction: str) -> None:
    _add(_codec, _duration, lambda e: (direction, ",".join(e.codecs)), kind)
    _add(_coded, lambda e: e.nbytes_in, lambda e: (direction, ",".join(e.codecs), "in"), kind)
    _add(_coded, lambda e: e.nbytes_out, lambda e: (direction, ",".join(e.codecs), "out"), kind)


_coding(ev.Encode, "encode")
_coding(ev.Decode, "decode")

_chunks = _histogram("asynczarr.chunk.duration", "s", "reading or writing of one chunk or shard", "direction", "error")
_add(_chunks, _duration, lambda e: ("read", _error(e)), ev.ChunkReadStop, ev.ChunkReadFailed)
_add(_chunks, _duration, lambda e: ("write", _error(e)), ev.ChunkWriteStop, ev.ChunkWriteFailed)
_decoded = _counter("asynczarr.chunk.bytes", "By", "decoded bytes of chunks read and written", "direction")
_add(_decoded, lambda e: e.nbytes, lambda e: ("read",), ev.ChunkReadStop)
_add(_decoded, lambda e: e.nbytes, lambda e: ("write",), ev.ChunkWriteStop)
_conflicts = _counter("asynczarr.chunk.conflicts", "1", "changes of a chunk made again after a lost race")
_add(_conflicts, _one, lambda e: (), ev.WriteConflict)
_shards = _counter("asynczarr.shard.bytes", "By", "bytes of shards read by ranges, and those of wanted chunks", "part")
_add(_shards, lambda e: e.nbytes_read, lambda e: ("read",), ev.ShardRead)
_add(_shards, lambda e: e.nbytes_wanted, lambda e: ("wanted",), ev.ShardRead)

_streams = _histogram("asynczarr.stream.duration", "s", "streams, from first to last item", "kind", "error")
_add(_streams, _duration, lambda e: (e.kind, _error(e)), ev.StreamStop, ev.StreamFailed)
_items = _counter("asynczarr.stream.items", "1", "items that streams have delivered or taken", "kind")
_add(_items, lambda e: e.items, lambda e: (e.kind,), ev.StreamStop, ev.StreamFailed)
_failed = _counter("asynczarr.stream.failed_items", "1", "items that have failed", "kind", "error")
_add(_failed, _one, lambda e: (e.kind, e.error), ev.ItemFailed)
_depth = _histogram("asynczarr.stream.queue_depth", "1", "jobs in flight and items waiting, at each item", "kind")
_add(_depth, lambda e: e.queue_depth, lambda e: (e.kind,), ev.StreamProgress, ev.WriteProgress)
_alive = _histogram("asynczarr.stream.bytes_alive", "By", "bytes counted against max_bytes, at each item", "kind")
_add(_alive, lambda e: e.bytes_alive, lambda e: (e.kind,), ev.StreamProgress, ev.WriteProgress)
_ledger = _histogram("asynczarr.checkpoint.duration", "s", "recording finished objects in a ledger")
_add(_ledger, _duration, lambda e: (), ev.Checkpoint)

_arrays = _histogram("asynczarr.array.duration", "s", "calls on arrays", "action", "error")
_add(_arrays, _duration, lambda e: (e.action, _error(e)), ev.ArrayStop, ev.ArrayFailed)
_touched = _counter("asynczarr.array.bytes", "By", "decoded bytes of arrays read and written by calls", "action")
_add(_touched, lambda e: e.nbytes, lambda e: (e.action,), ev.ArrayStop)
