"""Connections to Redis: commands in one write, one attempt, and Redis' errors in our words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis import exceptions
from redis.asyncio import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...errors import (
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    QuotaExceeded,
    StoreError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from ..sessions import PerLoop
from .scripts import Command, Script

__all__ = ["CONNECTIONS", "RedisClient"]

CONNECTIONS: dict[str, type[Connection | UnixDomainSocketConnection]] = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
"""The kinds of connection, by URL scheme."""

_KINDS: tuple[tuple[type[Exception], type[StoreError], str], ...] = (
    (exceptions.AuthenticationError, Unauthenticated, ""),
    (exceptions.AuthorizationError, Forbidden, ""),
    (exceptions.NoPermissionError, Forbidden, ""),
    (exceptions.OutOfMemoryError, QuotaExceeded, ""),
    (exceptions.BusyLoadingError, Unavailable, "the server is loading its data"),
    (exceptions.ReadOnlyError, Unavailable, "the server is a replica"),
    (exceptions.ClusterDownError, Unavailable, ""),
    (exceptions.MasterDownError, Unavailable, ""),
    (exceptions.TryAgainError, Unavailable, ""),
    (exceptions.MovedError, Unsupported, "the server is a node of a Redis Cluster, which this store cannot follow"),
    (exceptions.AskError, Unsupported, "the server is a node of a Redis Cluster, which this store cannot follow"),
)
_CODES: dict[str, type[StoreError]] = {
    "WRONGTYPE": IntegrityError,
    "MISCONF": Unavailable,
    "NOREPLICAS": Unavailable,
    "BUSY": Unavailable,
    "UNBLOCKED": Unavailable,
}


class RedisClient:
    """Sends commands, each once: none of redis-py's own retries is in the way.

    Args:
        scheme: ``redis``, ``rediss`` or ``unix``.
        options: arguments of the connection class of redis-py.
        max_connections: connections for each event loop; further commands wait.
        timeout: seconds for one attempt, connecting included.
        connect_timeout: seconds for connecting.
    """

    def __init__(
        self, scheme: str, options: Mapping[str, Any], *, max_connections: int, timeout: float, connect_timeout: float
    ) -> None:
        self._options = {
            **options,
            "connection_class": CONNECTIONS[scheme],
            "max_connections": max_connections,
            "protocol": 2,
            "decode_responses": False,
            "driver_info": None,  # it reads the version of redis-py from disk, for each connection
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": None,  # one timeout around the attempt is cheaper than one around each step
            "socket_connect_timeout": connect_timeout,
        }
        self._max_connections = max_connections
        self._timeout = timeout
        self._pools = PerLoop(self._connect, _disconnect)

    async def send(self, *commands: Command, script: Script | None = None) -> list[Any]:
        """Send commands over one connection, in one write, and return their answers.

        Args:
            *commands: the commands, as they are.
            script: the script that one of them runs by its digest, for a server that does not know it yet.

        Raises:
            StoreError: one of them failed, or the connection did; without place.
        """
        answers = await self._once(commands)
        if script is not None and any(isinstance(answer, exceptions.NoScriptError) for answer in answers):
            await self._once([("SCRIPT", "LOAD", script.source)])
            answers = await self._once(commands)  # the first time the script has not run
        for answer in answers:
            if isinstance(answer, Exception):
                raise _translated(answer, sent=True) from answer
        return answers

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pools.aclose()

    async def _once(self, commands: Sequence[Command]) -> list[Any]:
        pool, slots = await self._pools.get()
        sent = False
        async with slots:
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await pool.get_connection()
                    try:
                        sent = True
                        await connection.send_packed_command(connection.pack_commands(commands))
                        return [await _answer(connection) for _ in commands]
                    finally:
                        await pool.release(connection)
            except (exceptions.RedisError, OSError) as error:
                raise _translated(error, sent) from error

    async def _connect(self) -> tuple[Any, asyncio.Semaphore]:  # the methods of the pool have no types
        # BlockingConnectionPool waits by itself, but a call that is cancelled as it gives a connection back loses it.
        return ConnectionPool(**self._options), asyncio.Semaphore(self._max_connections)


async def _disconnect(pool: tuple[Any, asyncio.Semaphore]) -> None:
    await pool[0].disconnect()


async def _answer(connection: Any) -> Any:
    """The next answer; an error that the server reports is one too, so that the answers behind it are read as well."""
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error


def _translated(error: Exception, sent: bool) -> StoreError:
    """Our error for one of redis-py, which may not have reached the server if `sent` is false."""
    reason = str(error)
    for kind, ours, words in _KINDS:
        if isinstance(error, kind):
            return ours(words or reason)
    if isinstance(error, (exceptions.TimeoutError, TimeoutError)):
        return AttemptTimeout(reason or "no answer in time", sent=sent)
    if isinstance(error, (exceptions.ConnectionError, OSError)):
        return ConnectionFailed(reason, sent=sent)
    return _CODES.get(reason.partition(" ")[0], StoreError)(reason)
