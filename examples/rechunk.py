"""Rechunk while copying: from one map a day, to the whole time series of a few places a chunk, in a zip archive."""

import asyncio
import tempfile
from pathlib import Path

import numpy as np

import asynczarr as az


async def main() -> None:
    values = np.random.default_rng(0).normal(size=(120, 64, 64)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        maps, series = Path(folder) / "maps.zarr", Path(folder) / "series.zip"
        async with az.create_array(maps, shape=values.shape, dtype="float32", chunks=(1, 64, 64)) as array:
            await array.write(values)

        report = await az.copy(
            maps,
            series,
            chunks=(120, 8, 8),
            shards=(120, 32, 32),
            codecs=[
                "bytes",
                {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle"}},
            ],
            max_bytes=16 * 2**20,
            progress=lambda done: print(f"\r{done.nbytes:,} bytes", end=""),
        )
        print(f"\n{report.objects} shards written")

        async with az.open_array(series) as array:
            place = await array[:, 10, 20].read()  # one chunk instead of 120
            np.testing.assert_array_equal(place, values[:, 10, 20])


if __name__ == "__main__":
    asyncio.run(main())
