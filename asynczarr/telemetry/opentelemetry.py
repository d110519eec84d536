"""Events as OpenTelemetry spans and metrics. Only the API is used; what happens to them is up to the program's SDK."""

from __future__ import annotations

import sys
from time import time_ns
from typing import TYPE_CHECKING, Any

from ..errors import Unsupported
from . import events as ev
from .attributes import attributes, is_remote, name_of
from .hooks import Subscription, subscribe
from .measures import INSTRUMENTS, Instrument, measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["bridge"]

_FINISHED = (ev.Attempt, ev.Checkpoint, ev.Decode, ev.Encode)
"""Told of when they are over: spans that begin in the past."""

_NOTES = (
    *(ev.Retry, ev.RetryBudget, ev.Resume, ev.Hedge, ev.Throttle, ev.Limit),
    *(ev.CacheHit, ev.CacheMiss, ev.CacheEvict, ev.ShardRead, ev.WriteConflict, ev.ItemFailed),
)
"""Events of the span in which they happen. Progress is none: a span holds few events, and metrics tell it."""


def bridge(
    *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Subscription:
    """Make spans and metrics of all events.

    A span has as parent the span in which it happens, also across tasks and worker threads: a chunk that a stream reads
    ahead belongs to the stream, whatever its consumer does meanwhile. What begins outside of all spans of asynczarr
    belongs to the program's current span. Requests and calls are current themselves, so that spans that client
    libraries make for their own requests belong to ours.

    Args:
        tracer_provider: by default the global one.
        meter_provider: by default the global one.

    Raises:
        Unsupported: ``opentelemetry-api`` is not installed.
    """
    try:
        from opentelemetry import metrics, trace
    except ImportError as error:
        raise Unsupported("OpenTelemetry needs: pip install 'asynczarr[opentelemetry]'") from error
    version = sys.modules["asynczarr"].__version__  # not imported: the package is above this layer
    spans = _Spans(trace.get_tracer("asynczarr", version, tracer_provider))
    record = _recorder(metrics.get_meter("asynczarr", version, meter_provider))

    def bridged(event: ev.Event) -> None:
        spans.handle(event)
        record(event)

    return subscribe(bridged)


class _Spans:
    """Open spans by number. Used by many threads: single operations on a dict are atomic, and a number is used once."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[int, tuple[Span, Token[Context] | None]] = {}

    def handle(self, event: ev.Event) -> None:
        if isinstance(event, ev.Start):
            self._begin(event)
        elif isinstance(event, _FINISHED):
            self._past(event)
        elif isinstance(event, _NOTES):
            if event.parent in self._open:
                self._open[event.parent][0].add_event(type(event).__name__, attributes(event))
        elif isinstance(event, ev.Stop | ev.Failed):
            self._end(event)

    def _begin(self, event: Any) -> None:
        from opentelemetry import context, trace

        kind = trace.SpanKind.CLIENT if is_remote(event) else trace.SpanKind.INTERNAL
        span = self._tracer.start_span(
            name_of(event), context=self._context(event), kind=kind, attributes=attributes(event)
        )
        # A listing's steps run in whatever context it is read from, and chunks of one batch at the same time.
        enters = isinstance(event, ev.ArrayStart | ev.StreamStart) or (
            isinstance(event, ev.RequestStart) and not event.verb.startswith("list")
        )
        self._open[event.span] = span, context.attach(trace.set_span_in_context(span)) if enters else None

    def _end(self, event: Any) -> None:
        from opentelemetry import context

        span, token = self._open.pop(event.span, (None, None))
        if span is None:  # it began before anybody listened
            return
        span.set_attributes(attributes(event))
        _status(span, event)
        span.end()
        if token is not None:
            context.detach(token)

    def _past(self, event: Any) -> None:
        now = time_ns()
        begun = now - round(event.duration * 1e9)
        span = self._tracer.start_span(
            name_of(event), context=self._context(event), start_time=begun, attributes=attributes(event)
        )
        _status(span, event)
        span.end(now)

    def _context(self, event: ev.Event) -> Context | None:
        from opentelemetry import trace

        parent = self._open.get(event.parent)
        return None if parent is None else trace.set_span_in_context(parent[0])


def _status(span: Span, event: Any) -> None:
    """A cancelled span is no error: somebody did not want its result any more."""
    from opentelemetry import trace

    error = getattr(event, "error", "")
    if error and error != "CancelledError":
        span.set_status(trace.StatusCode.ERROR, getattr(event, "message", "") or error)


def _recorder(meter: Meter) -> Callable[[ev.Event], None]:
    recorders = {each.name: (_instrument(meter, each), _label_names(each)) for each in INSTRUMENTS}

    def record(event: ev.Event) -> None:
        for instrument, amount, labels in measure(event):
            add, names = recorders[instrument.name]
            add(amount, {name: label for name, label in zip(names, labels, strict=True) if label})

    return record


def _label_names(instrument: Instrument) -> list[str]:
    return ["error.type" if label == "error" else f"asynczarr.{label}" for label in instrument.labels]


def _instrument(meter: Meter, instrument: Instrument) -> Callable[[float, dict[str, str]], None]:
    if instrument.kind == "counter":
        return meter.create_counter(instrument.name, instrument.unit, instrument.text).add
    return meter.create_histogram(
        instrument.name,
        instrument.unit,
        instrument.text,
        explicit_bucket_boundaries_advisory=instrument.buckets,
    ).record
