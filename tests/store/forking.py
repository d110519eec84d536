"""Run as a program with a URL: a store that is used before and after a fork, in the parent and in the child."""

from __future__ import annotations

import asyncio
import os
import sys

from asynczarr.store import open_store


async def use(store, text: bytes) -> None:
    await store.set(f"of/{text.decode()}", text)
    assert bytes(await store.get("of/before")) == b"before"
    assert [name async for name in store.list_dir()] == ["of/"]


async def use_and_close(store, text: bytes) -> None:
    async with store:
        await use(store, text)


def main(url: str) -> None:
    store, loop = open_store(url), asyncio.new_event_loop()
    loop.run_until_complete(use(store, b"before"))
    child = os.fork()
    if not child:
        status = 1
        try:
            asyncio.run(use_and_close(store, b"in-the-child"))
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    for _ in range(5):
        loop.run_until_complete(use(store, b"in-the-parent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    loop.run_until_complete(use(store, b"afterwards"))
    assert bytes(loop.run_until_complete(store.get("of/in-the-child"))) == b"in-the-child"
    loop.run_until_complete(store.aclose())
    loop.close()
    print("ok")


if __name__ == "__main__":
    main(sys.argv[1])
