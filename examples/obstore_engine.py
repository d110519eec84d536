"""The same array by two engines: written by obstore, read by asynczarr's own store of the folder."""

import asyncio
import tempfile
from pathlib import Path

import numpy as np
import obstore

import asynczarr as az


async def main() -> None:
    values = np.arange(10_000, dtype="float32").reshape(100, 100)
    with tempfile.TemporaryDirectory() as folder:
        url = (Path(folder) / "data.zarr").as_uri()  # s3://, gs:// and az:// work the same way
        options = {"engine": "obstore"}
        async with az.create_array(
            url, shape=values.shape, dtype="float32", chunks=(25, 50), store_options=options
        ) as array:
            await array.write(values)
        async with az.open_array(url) as array:
            np.testing.assert_array_equal(await array.read(), values)

    async with az.ObstoreStore(obstore.store.MemoryStore()) as store:  # any store of obstore
        version = await store.set("counter", b"0", create=True)
        version = await store.set("counter", b"1", if_version=version)
        try:
            await store.set("counter", b"1", if_version="an older one")
        except az.PreconditionFailed:
            print("counter is", bytes(await store.get("counter")).decode(), "in version", version)


if __name__ == "__main__":
    asyncio.run(main())
