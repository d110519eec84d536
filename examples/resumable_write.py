"""A long write that may be killed at any time: started again with the same checkpoint, it goes on where it was."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

import asynczarr as az

DAYS, HEIGHT, WIDTH = 120, 90, 180


async def forecast(fail_on: int | None = None) -> AsyncIterator[tuple[tuple[slice, ...], np.ndarray]]:
    """One day after the other, as a model would compute them: where it belongs, and the values."""
    for day in range(DAYS):
        if day == fail_on:
            raise RuntimeError("the machine was taken away")
        yield (slice(day, day + 1),), np.full((1, HEIGHT, WIDTH), day, "float32")
        await asyncio.sleep(0)


async def write(where: Path, ledger: Path, *, fail_on: int | None = None) -> az.WriteReport:
    """Write what is not there yet. Ten days make a shard; each shard is written once, when it is complete."""
    async with az.open_array(
        where, mode="a", shape=(DAYS, HEIGHT, WIDTH), dtype="float32", chunks=(1, 90, 90), shards=(10, 90, 180)
    ) as array:
        return await array.write_stream(forecast(fail_on), checkpoint=ledger, max_bytes=32 * 2**20)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        where, ledger = Path(folder) / "forecast.zarr", Path(folder) / "forecast.ledger"
        try:
            await write(where, ledger, fail_on=75)
        except RuntimeError as error:
            print(f"Half-way: {error}.")
        report = await write(where, ledger)
        print(f"The second run wrote {report.written} of 12 shards and left out {report.skipped} days.")
        assert report.written + report.skipped // 10 == 12
        async with az.open_array(where) as array:
            async for day in array.stream_slices(axis=0):
                assert (day.data == day.index).all()


if __name__ == "__main__":
    asyncio.run(main())
