"""Statistics of an array that need not fit into memory: stream its chunks within a fixed budget."""

import asyncio
import math
import tempfile
from pathlib import Path

import numpy as np

import asynczarr as az


async def make(where: Path) -> None:
    """A year of made-up temperatures; some days were never measured, so their chunks are not stored."""
    days = np.arange(365)[:, None, None]
    field = 15 + 10 * np.sin(2 * np.pi * days / 365) + np.linspace(-5, 5, 60)[:, None] + np.zeros(80)
    async with az.create_array(
        where,
        shape=field.shape,
        dtype="float32",
        chunks=(5, 30, 40),
        fill_value=math.nan,
        dimension_names=("t", "y", "x"),
    ) as array:
        await array[:200].write(field[:200])
        await array[300:].write(field[300:])


async def statistics(where: Path) -> tuple[int, float, float]:
    """Count, mean and standard deviation, one chunk after the other (Chan's method)."""
    count, mean, spread = 0, 0.0, 0.0
    async with az.open_array(where) as array:
        async for chunk in array.stream_chunks(max_bytes=8 * 2**20, ordered=False, missing="skip"):
            values = chunk.data.astype("float64")
            delta, total = values.mean() - mean, count + values.size
            spread += values.var() * values.size + delta**2 * count * values.size / total
            mean += delta * values.size / total
            count = total
    return count, mean, math.sqrt(spread / count)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "temperature.zarr"
        await make(where)
        count, mean, deviation = await statistics(where)
        print(f"{count:,} measured values, mean {mean:.2f}, standard deviation {deviation:.2f}")
        assert count == 265 * 60 * 80


if __name__ == "__main__":
    asyncio.run(main())
