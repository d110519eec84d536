"""A server that sends parts of a large array to many clients at once, each as fast as it reads, in bounded memory.

A request is one line, ``first last``; the answer is those rows as raw bytes. A client that reads slowly stops only its
own stream (``drain``), and one that hangs up ends it: nothing is left running.
"""

import asyncio
import tempfile
from pathlib import Path

import numpy as np

import asynczarr as az

ROWS, COLUMNS = 2000, 500


class Server:
    """Serves one array; every connection has its own stream, all share the array and the limits of its store."""

    def __init__(self, array: az.Array) -> None:
        self.array = array

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, last = map(int, (await reader.readline()).split())
            async with self.array[first:last].stream_slices(axis=0, max_bytes=4 * 2**20, timeout=10) as rows:
                async for row in rows:
                    writer.write(row.data.tobytes())
                    await writer.drain()
        except (ValueError, az.AsyncZarrError, ConnectionError) as error:
            print(f"a request failed: {error}")
        finally:
            writer.close()


async def ask(port: int, first: int, last: int) -> np.ndarray:
    """What a client does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{first} {last}\n".encode())
    data = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    return np.frombuffer(data, "int32").reshape(-1, COLUMNS)


async def main() -> None:
    values = np.arange(ROWS * COLUMNS, dtype="int32").reshape(ROWS, COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "large.zarr"
        async with az.create_array(where, shape=values.shape, dtype="int32", chunks=(100, 250)) as array:
            await array.write(values)
        async with az.open_array(where) as array:
            server = await asyncio.start_server(Server(array).answer, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                parts = await asyncio.gather(*(ask(port, start, start + 250) for start in range(0, ROWS, 250)))
            np.testing.assert_array_equal(np.concatenate(parts), values)
            print(f"{len(parts)} clients got {sum(part.nbytes for part in parts):,} bytes at the same time")


if __name__ == "__main__":
    asyncio.run(main())
