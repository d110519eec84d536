"""An array in Google Cloud Storage: written as a stream, read in part.

Run it with ``GCS_URL=gs://bucket/folder`` and credentials (``gcloud auth application-default login``), or with an
emulator at ``STORAGE_EMULATOR_HOST``.
"""

import asyncio
import os

import numpy as np

import asynczarr as az

SHAPE, CHUNKS, SHARDS = (12, 180, 360), (1, 90, 90), (3, 180, 360)


async def months():
    for month in range(SHAPE[0]):
        yield (slice(month, month + 1),), np.full((1, *SHAPE[1:]), 10 + month, "float32")


async def main(url: str) -> None:
    spec = {"shape": SHAPE, "dtype": "float32", "chunks": CHUNKS, "shards": SHARDS}
    async with az.open_array(f"{url}/temperature.zarr", mode="a", **spec) as array:
        await array.write_stream(months(), max_bytes=16 * 2**20)
    async with az.open_array(f"{url}/temperature.zarr", mode="r") as array:
        corner = await array[6, :10, :10].read()  # the index of a shard and one chunk of it
        print("July, upper left:", corner.mean())
        async for month in array.stream_slices(axis=0, max_bytes=4 * 2**20):
            assert (month.data == 10 + month.index).all()

    # The store below: a write that must not replace anything, and one that must replace what was read.
    async with az.open_store(url) as store:
        await store.delete("lock")
        version = await store.set("lock", b"mine", create=True, metadata={"owner": "me"})
        try:
            await store.set("lock", b"also mine", create=True)
        except az.AlreadyExists:
            print("The lock is taken.")
        await store.set("lock", b"still mine", if_version=version)
        print("Stored:", sorted([key async for key in store.list("temperature.zarr/")])[-1])


if __name__ == "__main__":
    where = os.environ.get("GCS_URL")
    if where:
        asyncio.run(main(where))
    else:
        print("Set GCS_URL=gs://bucket/folder to run this.")
