"""Bytes in and out of file descriptors, whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Truncated
from ..types import BytesLike

__all__ = ["absolute", "flat_view", "frozen", "read_exactly", "turn", "write_all"]

_PATIENCE = 0.001
_turn = threading.Lock()


def _renew_turn() -> None:
    """In a forked child: a thread that is not there may have had its turn, and everybody would wait for it."""
    global _turn
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_turn)


@contextmanager
def turn() -> Iterator[None]:
    """Many short system calls in a row, one thread after the other.

    Each call gives the GIL away for a microsecond. Two threads that do so at the same time wake each other at every
    call, which takes far longer than the calls. Who has waited a millisecond goes on beside: then it is the disk that
    takes long, and waiting for it is better done together.
    """
    mine = _turn.acquire(timeout=_PATIENCE)
    try:
        yield
    finally:
        if mine:
            _turn.release()


def absolute(path: str | os.PathLike[str]) -> str:
    """An absolute path, without ``..`` and without looking at links."""
    # os.getcwd and os.path.abspath count as blocking with blockbuster; os.getcwdb, the same system call, does not.
    return os.path.normpath(os.path.join(os.fsdecode(os.getcwdb()), os.fspath(path)))  # noqa: PTH109, PTH118 - see above


def flat_view(value: BytesLike) -> memoryview:
    """A view of the bytes of any contiguous buffer, without a copy; a copy of the bytes of any other."""
    view = memoryview(value)
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def frozen(value: BytesLike) -> bytes:
    """The value as ``bytes``: itself if it is, else a copy that its owner can no longer change."""
    return value if type(value) is bytes else bytes(value)


def read_exactly(fd: int, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of a file, which must have them.

    Raises:
        Truncated: the file ends before `stop`.
        OSError: it could not be read.
    """
    data = os.pread(fd, stop - start, start)
    if len(data) == stop - start:
        return data
    pieces = [data]  # Linux hands out at most 2 GiB a call
    while (start := start + len(pieces[-1])) < stop and pieces[-1]:
        pieces.append(os.pread(fd, stop - start, start))
    if start < stop:
        raise Truncated(f"the file ended {stop - start} bytes too early")
    return b"".join(pieces)


def write_all(fd: int, data: bytes | memoryview, offset: int = 0) -> int:
    """Write flat bytes at `offset`, all of them (the kernel takes at most 2 GiB a call); return where they end."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset += written
        view = view[written:]
    return offset
