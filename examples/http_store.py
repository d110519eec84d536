"""Read a published group over HTTP: consolidated metadata in place of a listing, and only the bytes that are needed."""

import asyncio
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np

import asynczarr as az


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


async def publish(where: Path) -> None:
    """Write a group as a file tree that any web server can give out."""
    async with az.create_group(where) as group:
        for number, name in enumerate(("temperature", "pressure")):
            array = await group.create_array(name, shape=(60, 60), dtype="float32", chunks=(20, 20))
            await array.write(np.full((60, 60), number + 1, "float32"))
        await group.consolidate()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await publish(Path(folder) / "weather.zarr")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        Thread(target=server.serve_forever).start()
        try:
            async with az.open_group(f"http://127.0.0.1:{server.server_port}/weather.zarr") as group:
                async for path, node in group.members():
                    corner = await node[:20, :20].read()
                    print(path, node.shape, "mean of one chunk:", corner.mean())
        finally:
            server.shutdown()
            server.server_close()


if __name__ == "__main__":
    asyncio.run(main())
