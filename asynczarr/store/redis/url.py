"""What a URL says about a Redis server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from ...errors import KeyInvalid
from ..server_url import ServerURL

__all__ = ["RedisAddress"]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server, a database and a prefix.

    Attributes:
        scheme: ``redis``, ``rediss`` or ``unix``.
        options: arguments for a connection of redis-py; they may hold a password.
        prefix: what all keys begin with: empty, or with a final ``/``.
        shown: the URL without user and password.
    """

    scheme: str
    options: dict[str, Any]
    prefix: str
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``redis://host:port/database/prefix`` or ``unix:///socket?db=0&prefix=a/b``.

        Raises:
            KeyInvalid: it is neither, or has parts that are not understood.
        """
        parts = ServerURL.parse(url)
        query = {part.partition("=")[0]: part.partition("=")[2] for part in parts.query.split("&") if part}
        shown, socket = parts.shown, parts.scheme == "unix"
        if socket:
            database, prefix = query.pop("db", ""), query.pop("prefix", "")
            shown += f"?{parts.query}" if parts.query and not query else ""
        else:
            database, _, prefix = parts.path[1:].partition("/")
        if query:
            raise KeyInvalid("options are arguments of the store, not parts of the URL", store=shown)
        if not (database or "0").isdecimal():
            form = "unix:///socket?db=0&prefix=a/b" if socket else f"{parts.scheme}://host:port/database/prefix"
            raise KeyInvalid(f"the database is a number: {form}", store=shown)
        options: dict[str, Any] = {"db": int(database or 0)}
        try:
            server = urlsplit(f"//{parts.authority}")
            host, port = server.hostname or "localhost", server.port or 6379
        except ValueError:
            raise KeyInvalid("this is not a host and port", store=shown) from None
        options |= {"path": unquote(parts.path)} if socket else {"host": host, "port": port}
        options |= {"username": unquote(server.username)} if server.username else {}
        options |= {"password": unquote(server.password)} if server.password else {}
        return cls(parts.scheme, options, parts.prefix(prefix), shown)
