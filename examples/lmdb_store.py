"""A table in memory that processes of one machine share: one writes, the others read what it has written."""

import asyncio
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

import asynczarr as az


def mean_of(url: str, row: int) -> float:
    """What another process reads."""

    async def read() -> float:
        async with az.open_array(url, mode="r") as array:
            return float((await array[row].read()).mean())

    return asyncio.run(read())


async def write(url: str) -> None:
    async with az.open_array(url, mode="w", shape=(8, 1000), chunks=(1, 500), dtype="float64") as array:
        for row in range(8):
            await array[row].write(np.full(1000, row * 1.5))


def main() -> None:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        url = f"lmdb://{folder}/table"
        asyncio.run(write(url))
        # Not "fork": a process that was forked in the middle of a call may not use LMDB.
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            means = pool.starmap(mean_of, [(url, row) for row in range(8)])
    assert means == [row * 1.5 for row in range(8)]
    print(f"Done: two other processes read {means}.")


if __name__ == "__main__":
    main()
