"""An array in MongoDB: metadata and small chunks as documents, large shards as files of GridFS.

The server is at the URL in the variable MONGODB_URL, by default on this machine.
"""

import asyncio
import os

import numpy as np

import asynczarr as az

URL = os.environ.get("MONGODB_URL", "mongodb://localhost:27017/asynczarr/example")


async def main() -> None:
    field = np.random.default_rng(7).normal(size=(4, 400, 500))
    spec = {"shape": field.shape, "dtype": "float64", "chunks": (1, 100, 100), "shards": (1, 400, 500)}
    async with az.MongoStore(URL, connect_timeout=2.0) as store:
        async with az.open_array(store, mode="w", **spec) as array:
            await array[:].write(field)
            part = await array[2, 100:200, 350:360].read()  # the chunks of GridFS that hold it, not the whole shard
            assert (part == field[2, 100:200, 350:360]).all()
        sizes = {key: info.size async for key in store.list() if (info := await store.head(key)) is not None}
        await store.delete_many(list(sizes))
        left = await store.sweep()
    assert max(sizes.values()) > 1_000_000
    print(f"Done: {len(sizes)} keys, of {min(sizes.values())} to {max(sizes.values())} bytes; {left} files swept away.")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except az.ConnectionFailed as error:
        print(f"There is no MongoDB server here; start one, or set MONGODB_URL. ({error})")
