"""Write an array into a bucket, row by row from several tasks, and stream it back.

Set S3_ENDPOINT (http://127.0.0.1:9000, say; leave it out for AWS) and S3_BUCKET. Keys come from where AWS's own tools
look for them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role.
"""

import asyncio
import os

import numpy as np

import asynczarr as az

ENDPOINT, BUCKET = os.environ.get("S3_ENDPOINT"), os.environ.get("S3_BUCKET")


async def main(bucket: str) -> None:
    async with az.S3Store(bucket, "asynczarr-example/field.zarr", endpoint_url=ENDPOINT) as store:
        async with az.open_array(
            store, mode="w", shape=(64, 256), dtype="float32", chunks=(8, 64), shards=(64, 256)
        ) as array:
            # All rows are in one object. Each write reads it, and replaces it on the condition that it is unchanged.
            await asyncio.gather(*(array[row].write(row) for row in range(8)))
            await array[8:].write(np.full((56, 256), -1, "float32"))
        async with az.open_array(store) as array:
            total = 0.0
            async for chunk in array.stream_chunks(max_bytes=2**20):
                total += float(chunk.data.sum())
        assert total == sum(range(8)) * 256 - 56 * 256
        print(f"{store.url} holds", sorted([key async for key in store.list()]), "and their sum is right:", total)
        await store.delete_many([key async for key in store.list()])


if __name__ == "__main__":
    if BUCKET is None:
        print("Set S3_BUCKET, and S3_ENDPOINT if it is not on AWS.")
    else:
        asyncio.run(main(BUCKET))
