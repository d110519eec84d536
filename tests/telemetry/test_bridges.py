"""What the bridges make of events: log records, OpenTelemetry spans and metrics, Prometheus metrics."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import asynczarr as az
from asynczarr.errors import Unsupported
from asynczarr.middleware.base import Wrapper
from asynczarr.middleware.telemetry import Telemetry
from asynczarr.store import MemoryStore
from asynczarr.telemetry import events, hooks
from asynczarr.telemetry import logging as to_logging
from asynczarr.telemetry import opentelemetry as to_opentelemetry
from asynczarr.telemetry import prometheus as to_prometheus
from asynczarr.telemetry.measures import INSTRUMENTS
from asynczarr.telemetry.spans import Span, counted


class Traced:
    """A bridge to an SDK in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        meters = MeterProvider(metric_readers=[self._reader])
        self.bridge = to_opentelemetry.bridge(tracer_provider=self.tracers, meter_provider=meters)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}

    def all_spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def forget(self) -> None:
        self._exporter.clear()

    def path(self, span: ReadableSpan) -> list[str]:
        """Names of a span and of all around it."""
        by_id = {each.context.span_id: each for each in self.all_spans() if each.context}
        return [span.name, *(self.path(by_id[span.parent.span_id]) if span.parent else [])]

    def points(self, name: str) -> dict[tuple[Any, ...], Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            tuple(sorted((point.attributes or {}).items())): point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }


@pytest.fixture
def traced():
    made = Traced()
    with made.bridge:
        yield made


class _Remote(Wrapper):
    """Memory that says it is somewhere else, and lets others look at the current span in the middle of a request."""

    def __init__(self, url: str, tracer: trace.Tracer | None = None) -> None:
        super().__init__(MemoryStore())
        self._url = url
        self._tracer = tracer

    @property
    def url(self) -> str:
        return self._url

    async def around(self, request, send):
        if self._tracer is not None:
            with self._tracer.start_as_current_span("client library"):
                await asyncio.sleep(0)
        return await send()


async def test_requests_are_client_spans_with_conventional_names(traced: Traced) -> None:
    places = [
        "s3://bucket/some/prefix",
        "https://host:8080/x",
        "redis://user:pw@host:1",
        "mongodb://a,b/db",
        "file:///x",
    ]
    for url in places:
        await Telemetry(_Remote(url)).get("a/b")
    spans = traced.spans()
    assert set(spans) == {"get s3", "get https", "get redis", "get mongodb", "get file"}
    kinds = {name: span.kind for name, span in spans.items()}
    assert kinds.pop("get file") == trace.SpanKind.INTERNAL
    assert set(kinds.values()) == {trace.SpanKind.CLIENT}
    s3 = dict(spans["get s3"].attributes or {})
    assert (s3["aws.s3.bucket"], s3["aws.s3.key"]) == ("bucket", "some/prefix/a/b")
    assert (s3["asynczarr.key"], s3["asynczarr.found"], s3["asynczarr.attempts"]) == ("a/b", False, 1)
    redis = dict(spans["get redis"].attributes or {})
    assert (redis["db.system.name"], redis["db.operation.name"]) == ("redis", "get")
    assert (redis["server.address"], redis["server.port"]) == ("host", 1)
    assert "server.address" not in (spans["get mongodb"].attributes or {})
    assert "pw" not in str([span.to_json() for span in traced.all_spans()])
    assert not any(span.status.status_code == trace.StatusCode.ERROR for span in traced.all_spans())


async def test_parents_hold_across_gather_threads_and_client_libraries(traced: Traced) -> None:
    tracer = traced.tracers.get_tracer("program")
    store = Telemetry(_Remote("s3://bucket", tracer))

    def in_thread(name: str) -> None:
        with Span(events.ARRAY, store="s", array=name, action="threaded"):
            pass

    async def outer(name: str) -> None:
        with Span(events.ARRAY, store="s", array=name, action=name):
            await asyncio.gather(store.get(name), store.head(name), asyncio.to_thread(in_thread, name))

    with tracer.start_as_current_span("program") as program:
        await asyncio.gather(outer("one"), outer("two"))
        assert trace.get_current_span() is program

    by_id = {span.context.span_id: span for span in traced.all_spans() if span.context}

    assert {span.context.trace_id for span in traced.all_spans() if span.context} == {
        program.get_span_context().trace_id
    }
    paths = sorted(traced.path(span) for span in traced.all_spans())
    below = [
        ["client library", "get s3"],
        ["client library", "head s3"],
        ["array threaded"],
        ["get s3"],
        ["head s3"],
        [],
    ]
    expected = [[*first, f"array {name}", "program"] for name in ("one", "two") for first in below]
    assert paths == sorted([*expected, ["program"]])
    for span in traced.all_spans():  # a span of one array has no request of the other below it
        if span.name in ("get s3", "head s3") and span.parent:
            outer_span = by_id[span.parent.span_id]
            assert (span.attributes or {})["asynczarr.key"] == (outer_span.attributes or {})["asynczarr.array"]


async def test_what_a_stream_reads_ahead_belongs_to_it_whoever_takes_the_items(traced: Traced, tmp_path) -> None:
    store = Telemetry(az.FilesystemStore(tmp_path))
    array = await az.create_array(store, shape=(2**20,), dtype="f8", chunks=(2**17,))
    await array.write(np.random.default_rng(1).random(2**20))  # chunks large enough for worker threads
    traced.forget()
    tracer = traced.tracers.get_tracer("program")
    stream = array.stream_chunks(concurrency=2, max_bytes=3 * 2**20)
    with tracer.start_as_current_span("begins"):
        await anext(stream)
    for _ in range(7):

        async def elsewhere() -> None:
            with tracer.start_as_current_span("takes"):
                await anext(stream)

        await asyncio.create_task(elsewhere())
    assert [chunk async for chunk in stream] == []

    paths = Counter(tuple(traced.path(span)) for span in traced.all_spans())
    assert paths == {
        ("begins",): 1,
        ("takes",): 7,
        ("stream chunks", "begins"): 1,
        ("chunk read", "stream chunks", "begins"): 8,
        ("get file", "chunk read", "stream chunks", "begins"): 8,
        ("decode", "chunk read", "stream chunks", "begins"): 8,
    }
    assert not trace.get_current_span().get_span_context().is_valid


async def test_policies_are_notes_attempts_are_spans_failures_are_errors(traced: Traced) -> None:
    place = {"store": "s3://bucket", "verb": "get", "key": "k"}

    def fails() -> None:
        hooks.emit(counted(events.Attempt(**place, number=1, duration=0.25, error="Unavailable")))
        hooks.emit(events.Retry(**place, number=1, delay=0.5, error="Unavailable"))
        hooks.emit(counted(events.Attempt(**place, number=2, duration=0.5)))
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"), Span(events.REQUEST, **place):
        fails()
    attempt_1, attempt_2, request = traced.all_spans()
    assert request.context is not None
    for attempt in (attempt_1, attempt_2):
        assert attempt.name == "attempt get"
        assert attempt.parent is not None
        assert attempt.parent.span_id == request.context.span_id
    assert attempt_1.start_time is not None
    assert attempt_1.end_time == attempt_1.start_time + 250_000_000
    assert [span.status.status_code.name for span in (attempt_1, attempt_2, request)] == ["ERROR", "UNSET", "ERROR"]
    assert [event.name for event in request.events] == ["Retry"]
    assert dict(request.events[0].attributes or {})["asynczarr.delay"] == 0.5
    assert (request.attributes or {})["error.type"] == "OSError"
    assert (request.attributes or {})["asynczarr.attempts"] == 2


async def test_cancelled_is_no_error_and_unknown_ends_are_nothing(traced: Traced) -> None:
    hooks.emit(events.ArrayStop(span=10**9, store="s", array="a", action="read", duration=1.0))
    with pytest.raises(asyncio.CancelledError), Span(events.ARRAY, store="s", array="a", action="read"):
        raise asyncio.CancelledError
    (span,) = traced.all_spans()
    assert span.status.status_code == trace.StatusCode.UNSET
    assert (span.attributes or {})["error.type"] == "CancelledError"


async def test_opentelemetry_metrics(traced: Traced) -> None:
    async with Telemetry(MemoryStore()) as store:
        await store.set("a", bytes(100))
        await store.get("a")
        await store.get("a")
    hooks.emit(events.RequestFailed(span=1, store="s3://b", verb="get", key="k", duration=0.1, error="Throttled"))
    durations = traced.points("asynczarr.request.duration")
    get = (("asynczarr.scheme", "memory"), ("asynczarr.verb", "get"))
    failed = (("asynczarr.scheme", "s3"), ("asynczarr.verb", "get"), ("error.type", "Throttled"))
    assert durations[get].count == 2
    assert durations[failed].count == 1
    assert durations[failed].explicit_bounds[0] == 0.0001
    assert traced.points("asynczarr.request.bytes")[get].value == 200


def test_prometheus_metrics() -> None:
    registry = CollectorRegistry()
    place = {"store": "s3://bucket", "verb": "get", "key": "k"}
    for _ in range(2):  # a second bridge to the same registry goes on counting
        with to_prometheus.bridge(registry):
            hooks.emit(events.RequestStop(span=1, **place, duration=0.2, nbytes=100))
            hooks.emit(events.Retry(**place, number=1, delay=0.5, error="Unavailable"))
            hooks.emit(events.CacheHit(store="s", cache="index", key="k", nbytes=1))
            hooks.emit(events.Decode(codecs=("bytes", "zstd"), nbytes_in=10, nbytes_out=40, duration=0.001))
            hooks.emit(events.WriteConflict(store="s", array="a", key="k", chunk=(0,), number=1))
    hooks.emit(events.RequestStop(span=1, **place, duration=0.2, nbytes=100))
    get = {"scheme": "s3", "verb": "get"}
    value = registry.get_sample_value
    assert value("asynczarr_request_bytes_total", get) == 200
    assert value("asynczarr_request_duration_seconds_count", {**get, "error": ""}) == 2
    assert value("asynczarr_request_duration_seconds_bucket", {**get, "error": "", "le": "0.1"}) == 0
    assert value("asynczarr_request_duration_seconds_bucket", {**get, "error": "", "le": "0.3"}) == 2
    assert value("asynczarr_retry_delay_seconds_sum", {**get, "error": "Unavailable"}) == 1.0
    assert value("asynczarr_cache_lookups_total", {"cache": "index", "result": "hit"}) == 2
    codec = {"direction": "decode", "codecs": "bytes,zstd"}
    assert value("asynczarr_codec_bytes_total", {**codec, "side": "out"}) == 80
    assert value("asynczarr_chunk_conflicts_total") == 2
    names = generate_latest(registry).decode()
    assert all(to_prometheus.metric_name(each) in names for each in INSTRUMENTS)


def test_logging_levels_and_records(caplog: pytest.LogCaptureFixture) -> None:
    place = {"store": "s3://bucket", "verb": "get", "key": "k"}
    made = [
        events.RequestStart(span=1, **place),
        events.Retry(**place, number=1, delay=0.5, error="Unavailable"),
        events.RetryBudget(store="s", cost=5, left=3, refused=False),
        events.RetryBudget(store="s", cost=5, left=3, refused=True),
        events.RequestFailed(span=1, **place, duration=0.1, error="Unavailable", message="down"),
        events.RequestFailed(span=1, **place, duration=0.1, error="CancelledError"),
    ]
    with caplog.at_level(logging.DEBUG, "asynczarr"), to_logging.bridge():
        for event in made:
            hooks.emit(event)
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "DEBUG", "WARNING", "WARNING", "DEBUG"]
    assert [record.event for record in caplog.records] == made  # type: ignore[attr-defined]
    text = caplog.records[1].getMessage()
    assert text.startswith("Retry ")
    assert "delay=0.5 error='Unavailable'" in text


def test_logging_asks_the_level_first(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "program.zarr"), to_logging.bridge("program.zarr", events.Start, events.Retry):
        hooks.emit(events.RequestStart(span=1, store="s", verb="get", key="k"))
        hooks.emit(events.CacheMiss(store="s", cache="index", key="k"))
        hooks.emit(events.Retry(store="s", verb="get", key="k", number=1, delay=0.5, error="Unavailable"))
    assert [record.name for record in caplog.records] == ["program.zarr"]


@pytest.mark.parametrize(
    ("bridge", "module", "line"),
    [
        (to_opentelemetry.bridge, "opentelemetry", "pip install 'asynczarr[opentelemetry]'"),
        (to_prometheus.bridge, "prometheus_client", "pip install 'asynczarr[prometheus]'"),
    ],
)
def test_a_missing_library_says_how_to_get_it(
    bridge: Any, module: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Unsupported) as caught:
        bridge()
    assert line in str(caught.value)
    assert not hooks.active
