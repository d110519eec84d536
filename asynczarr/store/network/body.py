"""Bodies of answers: no longer and no shorter than was promised, and what arrived of those that break off."""

from __future__ import annotations

from contextlib import suppress

import aiohttp

from ...errors import ConnectionFailed, IntegrityError, Truncated, Unsupported
from ...types import Version
from .session import connection_error

__all__ = ["read_body"]


async def read_body(
    response: aiohttp.ClientResponse,
    *,
    length: int | None = None,
    most: int | None = None,
    version: Version | None = None,
    reading: bool = True,
) -> bytes:
    """Read the body of a response whose headers have arrived.

    Args:
        response: not read yet. It is closed if the body is not read to its end.
        length: bytes that it must have, where something other than Content-Length says so.
        most: stop after so many bytes; whether the body ends there is not looked at.
        version: that of the value, kept in the error if the body breaks off.
        reading: see :func:`~asynczarr.store.network.session.connection_error`.

    Raises:
        Truncated: it has fewer bytes than promised; with those that came.
        IntegrityError: it has more.
        Unsupported: nothing says how long what was asked for is, so that a broken connection would look like its end.
    """
    pieces: list[bytes] = []
    try:
        await _collect(response, pieces, length, most, reading)
    except (aiohttp.ClientError, OSError, Truncated) as error:
        response.close()
        failure = error if isinstance(error, Truncated) else connection_error(error, reading=reading)
        if reading and isinstance(failure, (Truncated, ConnectionFailed)):
            failure.keep(b"".join(pieces), version)
        raise failure from (None if failure is error else error)
    except BaseException:
        response.close()
        raise
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return data if most is None else data[:most]


async def _collect(
    response: aiohttp.ClientResponse, pieces: list[bytes], length: int | None, most: int | None, reading: bool
) -> None:
    promised = response.content_length
    bounded = length is not None or most is not None or promised is not None
    if reading and not bounded and "Transfer-Encoding" not in response.headers:
        raise Unsupported("the server does not say how long the answer is")
    if length is not None and promised is not None:
        _compare(promised, length)
    wanted = promised if length is None else length
    got = 0
    try:
        while piece := await response.content.readany():
            pieces.append(piece)
            got += len(piece)
            if most is not None and got >= most:
                if got != wanted:
                    response.close()
                return
            if wanted is not None and got > wanted:
                break
    except (aiohttp.ClientError, OSError):
        with suppress(aiohttp.ClientError, OSError):  # what came in the same moment as the end
            pieces.append(response.content._read_nowait(-1))
        raise
    if wanted is not None:
        _compare(got, wanted)


def _compare(got: int, wanted: int) -> None:
    if got < wanted:
        raise Truncated(f"{got} of {wanted} bytes arrived")
    if got > wanted:
        raise IntegrityError(f"{got} bytes where {wanted} were promised")
