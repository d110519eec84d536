"""Large values as files of GridFS. A file never changes: a new value is a new file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ...errors import IntegrityError, StoreError
from ..finishing import finished
from .client import Collections, failures

__all__ = ["drop", "drop_quietly", "read", "sweep", "upload"]

_BATCH = 1000


async def upload(at: Collections, file_id: Any, name: str, value: bytes) -> None:
    """Store a file. Whatever goes wrong, cancellation included, what was stored of it is removed again."""
    file = at.bucket.open_upload_stream_with_id(file_id, name)
    try:
        with failures():
            # A request that is under way is waited for: removed before it lands, its chunks would stay for ever.
            await finished(file.write(value))
            await finished(file.close())
    except BaseException:
        await drop_quietly(at, [file_id])
        raise


async def read(at: Collections, file: dict[str, Any], ends: Sequence[tuple[int, int]]) -> list[bytes] | None:
    """Ranges of a file, by the chunks that they touch; ``None`` if it is not, or no longer, there in full.

    Args:
        at: where it is.
        file: its pointer.
        ends: start and stop of each range, within the file.
    """
    size, step = file["size"], file["chunk"]
    wanted = sorted({number for start, stop in ends if start < stop for number in _touched(start, stop, step)})
    chunks: dict[int, bytes] = {}
    if wanted:
        first, last = wanted[0], wanted[-1]
        which = {"$gte": first, "$lte": last} if last - first + 1 == len(wanted) else {"$in": wanted}
        with failures():
            async for chunk in at.chunks.find({"files_id": file["file"], "n": which}, {"n": 1, "data": 1, "_id": 0}):
                chunks[chunk["n"]] = chunk.get("data", b"")
    if len(chunks) < len(wanted):
        return None
    for number, data in chunks.items():
        if len(data) != min(step, size - number * step):
            raise IntegrityError(f"chunk {number} has {len(data)} bytes")
    return [b"".join(_pieces(chunks, start, stop, step)) for start, stop in ends]


async def drop(at: Collections, file_ids: Sequence[Any]) -> None:
    """Remove files."""
    with failures():
        await at.files.delete_many({"_id": {"$in": list(file_ids)}})
        await at.chunks.delete_many({"files_id": {"$in": list(file_ids)}})


async def drop_quietly(at: Collections, file_ids: Sequence[Any]) -> None:
    """Remove files that nobody can see; what cannot be removed now is left to :func:`sweep`."""
    with suppress(StoreError):
        await finished(drop(at, file_ids))


async def sweep(at: Collections, older_than: float) -> int:
    """Remove files and chunks that no key points to; return the number of files."""
    from bson import ObjectId

    with failures():
        await at.keys.create_index("file", sparse=True)
    limit = time.time() - older_than
    removed, last = 0, None
    batch: list[Any] = []

    async def flush() -> int:
        with failures():
            kept = [key["file"] async for key in at.keys.find({"file": {"$in": batch}}, {"file": 1})]
        orphans = [file_id for file_id in batch if file_id not in kept]
        await drop(at, orphans)
        batch.clear()
        return len(orphans)

    for collection, field in ((at.chunks, "files_id"), (at.files, "_id")):
        async for document in collection.find({}, {field: 1, "_id": field == "_id"}).sort(field, 1):
            file_id = document.get(field)
            ours = isinstance(file_id, ObjectId)
            if ours and file_id != last and file_id.generation_time.timestamp() < limit:
                batch.append(file_id)
                if len(batch) == _BATCH:
                    removed += await flush()
            last = file_id
        if batch:
            removed += await flush()
    return removed


def _touched(start: int, stop: int, step: int) -> range:
    return range(start // step, (stop - 1) // step + 1)


def _pieces(chunks: dict[int, bytes], start: int, stop: int, step: int) -> Iterator[memoryview]:
    if start < stop:
        for number in _touched(start, stop, step):
            base = number * step
            yield memoryview(chunks[number])[max(0, start - base) : stop - base]
