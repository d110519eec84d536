"""See what happens inside: events by subscription, and a summary that costs nothing once it is closed."""

import asyncio
import tempfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np

import asynczarr as az
from asynczarr.middleware.telemetry import Telemetry
from asynczarr.telemetry import events, subscribe


class Summary:
    """Adds up chunks, bytes and seconds. Events come from worker threads too, so it has a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.chunks: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.ChunkReadStop(nbytes=nbytes):
                    self.chunks["read"] += 1
                    self.chunks["bytes"] += nbytes
                case events.ChunkWriteStop():
                    self.chunks["written"] += 1
                case events.RequestStop(verb=verb, duration=duration):
                    self.seconds[verb] += duration
                case events.Encode(duration=duration) | events.Decode(duration=duration):
                    self.seconds[type(event).__name__.lower()] += duration


def show(event: events.StreamProgress) -> None:
    """What ``progress=`` is told, and how full the stream is."""
    if event.done % 25 == 0:
        print(f"{event.done}/{event.total} chunks, {event.queue_depth} on their way, {event.bytes_alive:,} bytes")


async def main() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 1000)).astype("float32")
    summary = Summary()
    with tempfile.TemporaryDirectory() as folder:
        store = Telemetry(az.FilesystemStore(Path(folder) / "noise.zarr"))  # tells of every request
        with subscribe(summary), subscribe(show, events.StreamProgress):
            array = await az.create_array(store, shape=values.shape, dtype="float32", chunks=(100, 100))
            await array.write(values)
            async for chunk in array.stream_chunks():
                assert chunk.data.size == 10_000
            try:
                await az.open_array(store, "elsewhere")
            except az.NotFound as error:
                print(f"as expected: {error.reason}")
        await array.read()  # nobody listens any more
        await store.aclose()
    print(
        f"{summary.chunks['written']} chunks written, {summary.chunks['read']} read, {summary.chunks['bytes']:,} bytes"
    )
    print(", ".join(f"{name} {seconds:.3f} s" for name, seconds in summary.seconds.most_common()))
    assert summary.chunks == {"written": 100, "read": 100, "bytes": values.nbytes}


if __name__ == "__main__":
    asyncio.run(main())
