"""An array in Azure Blob Storage: many writers at once, nothing lost.

Run it with ``AZURE_URL=abfs://container@account.dfs.core.windows.net/folder`` and credentials (``az login`` and
``pip install azure-identity``), or with ``AZURE_URL=az://container/folder`` and ``AZURE_STORAGE_CONNECTION_STRING``.
"""

import asyncio
import os

import numpy as np

import asynczarr as az


async def station(url: str, number: int) -> None:
    """One of eight programs that write parts of the same chunks; each opens the array for itself."""
    async with az.open_array(url, mode="r+") as array:
        await array[:, number].write(np.full(100, number, "int32"))


async def main(url: str) -> None:
    where = f"{url}/stations.zarr"
    async with az.open_array(where, mode="a", shape=(100, 8), dtype="int32", chunks=(50, 8)):
        pass
    await asyncio.gather(*(station(where, number) for number in range(8)))
    async with az.open_array(where, mode="r") as array:
        assert (await array.read() == np.arange(8)).all()
    print("8 writers shared 2 chunks, and every value is there.")
    async with az.open_store(url) as store:
        keys = [key async for key in store.list("stations.zarr/")]
        print("Stored:", sorted(keys))
        await store.delete_many(keys)


if __name__ == "__main__":
    where = os.environ.get("AZURE_URL")
    if where:
        asyncio.run(main(where))
    else:
        print("Set AZURE_URL=az://container/folder to run this.")
