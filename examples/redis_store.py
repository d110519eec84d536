"""An array in Redis: shared by every process that reaches the server, and updated by several of them at once.

The server is at the URL in the variable REDIS_URL, by default on this machine.
"""

import asyncio
import os

import numpy as np

import asynczarr as az

URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0/asynczarr-example")


async def count(station: int) -> None:
    """One of several writers. Each has a part of the only chunk; compare-and-swap keeps what the others wrote."""
    async with az.open_array(URL, mode="r+") as array:
        for hour in range(24):
            await array[station, hour].write(station * 100 + hour)


async def main() -> None:
    async with az.open_array(URL, mode="w", shape=(4, 24), chunks=(4, 24), dtype="int32") as array:
        await asyncio.gather(*(count(station) for station in range(4)))
        values = await array[:].read()
        assert (values == np.arange(4)[:, None] * 100 + np.arange(24)).all()
    async with az.RedisStore(URL) as store:
        keys = [key async for key in store.list()]
        await store.delete_many(keys)
    print(f"Done: 4 writers, 96 updates of one chunk, none lost; the keys were {sorted(keys)}.")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except az.ConnectionFailed as error:
        print(f"There is no Redis server here; start one, or set REDIS_URL. ({error})")
