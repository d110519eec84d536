"""Stream into an icechunk repository and commit: the store of its session is a store like any other."""

import asyncio
import tempfile

import icechunk
import numpy as np

import asynczarr as az


async def main() -> None:
    icechunk.set_logs_filter("error")
    with tempfile.TemporaryDirectory() as folder:
        storage = icechunk.local_filesystem_storage(folder)
        repository = await asyncio.to_thread(icechunk.Repository.create, storage)

        session = await asyncio.to_thread(repository.writable_session, "main")
        async with az.create_array(
            az.ZarrPythonStore(session.store), "days", shape=(30, 100, 100), dtype="float32", chunks=(1, 100, 100)
        ) as array:
            days = (((slice(day, day + 1),), np.full((1, 100, 100), day, "float32")) for day in range(30))
            await array.write_stream(days)
        snapshot = await asyncio.to_thread(session.commit, "thirty days")

        reading = await asyncio.to_thread(repository.readonly_session, "main")
        async with az.open_array(az.ZarrPythonStore(reading.store), "days") as array:
            means = [float(chunk.data.mean()) async for chunk in array.stream_chunks()]
        print(f"{len(means)} chunks of a snapshot, means {means[0]} to {means[-1]}")
        assert snapshot
        assert means == list(range(30))


if __name__ == "__main__":
    asyncio.run(main())
