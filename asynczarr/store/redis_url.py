"""What a URL says about a Redis server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from ..errors import KeyInvalid
from .keys import validate_key
from .url import without_secrets

__all__ = ["RedisAddress"]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server, a database and a prefix.

    Attributes:
        scheme: ``redis``, ``rediss`` or ``unix``.
        options: arguments for a connection of redis-py; they may hold a password.
        prefix: what all keys begin with, without a final ``/``.
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
        shown = without_secrets(url)
        try:
            parts = urlsplit(url)
            scheme, port = parts.scheme.lower(), parts.port
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:
            raise KeyInvalid("this is not a URL", store=shown) from None
        if scheme == "unix":
            database, prefix = query.pop("db", "0"), query.pop("prefix", "")
        else:
            database, _, prefix = parts.path[1:].partition("/")
            prefix = unquote(prefix)
        if scheme not in ("redis", "rediss", "unix") or query or parts.fragment:
            raise KeyInvalid("options are arguments of the store, not parts of the URL", store=shown)
        if not database.isascii() or not (database or "0").isdigit():
            advice = "?db=0&prefix=..." if scheme == "unix" else "/database/prefix, with a number for the database"
            raise KeyInvalid(f"write {advice}", store=shown)
        prefix = prefix.rstrip("/")
        if prefix:
            validate_key(prefix)
        options: dict[str, Any] = {"db": int(database or 0)}
        if parts.username:
            options["username"] = unquote(parts.username)
        if parts.password:
            options["password"] = unquote(parts.password)
        if scheme == "unix":
            options["path"] = unquote(parts.path)
            shown += f"?db={options['db']}" + (f"&prefix={quote(prefix)}" if prefix else "")
        else:
            options |= {"host": parts.hostname or "localhost", "port": port or 6379}
        return cls(scheme, options, prefix, shown)
