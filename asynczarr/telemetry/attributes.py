"""Names and attributes of OpenTelemetry spans: those of its semantic conventions where they have any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from . import events as ev
from .address import scheme

__all__ = ["attributes", "is_remote", "name_of"]

Value: TypeAlias = str | bool | int | float | list[str] | list[int]

_LOCAL = {"", "file", "lmdb", "memory", "zip"}
_OURS = {"duration", "parent", "span", "time"}
"""Fields that a span has its own words for."""

_NAMES: dict[type[ev.Event], Callable[[Any], str]] = {
    ev.ArrayStart: lambda e: f"array {e.action}",
    ev.Attempt: lambda e: f"attempt {e.verb}",
    ev.Checkpoint: lambda e: "checkpoint",
    ev.ChunkReadStart: lambda e: "chunk read",
    ev.ChunkWriteStart: lambda e: "chunk write",
    ev.Decode: lambda e: "decode",
    ev.Encode: lambda e: "encode",
    ev.RequestStart: lambda e: f"{e.verb} {scheme(e.store)}".rstrip(),
    ev.StreamStart: lambda e: f"stream {e.kind}",
}


def name_of(event: ev.Event) -> str:
    """Name of a span, one of few: keys and paths are attributes."""
    return _NAMES[type(event)](event)


def is_remote(event: ev.Event) -> bool:
    """Whether a span is a request to a service."""
    return isinstance(event, ev.RequestStart) and scheme(event.store) not in _LOCAL


def attributes(event: ev.Event) -> dict[str, Value]:
    """All that an event tells, as attributes."""
    found: dict[str, Value] = {}
    for item in fields(event):
        value = getattr(event, item.name)
        if item.name == "error":
            if value:
                found["error.type"] = value
        elif item.name not in _OURS:
            found[f"asynczarr.{item.name}"] = _value(value)
    if isinstance(event, ev.RequestStart):
        found |= _conventional(event)
    return found


def _value(value: Any) -> Value:
    if isinstance(value, tuple):
        return list(value) if all(isinstance(part, int) for part in value) else [str(part) for part in value]
    return value if isinstance(value, str | bool | int | float) else str(value)


def _conventional(event: ev.RequestStart) -> dict[str, Value]:
    """What the conventions call the place of a request."""
    url = urlsplit(event.store)
    if url.scheme in ("s3", "s3a"):
        return {"aws.s3.bucket": url.netloc, "aws.s3.key": "/".join(filter(None, (url.path.strip("/"), event.key)))}
    if url.scheme in ("http", "https"):
        return _server(url)
    if url.scheme in ("redis", "rediss", "mongodb"):
        return {"db.system.name": url.scheme.removesuffix("s") if url.scheme == "rediss" else url.scheme} | {
            "db.operation.name": event.verb,
            **_server(url),
        }
    return {}


def _server(url: SplitResult) -> dict[str, Value]:
    """Host and port; a list of hosts (MongoDB) has no single one."""
    if url.hostname is None or "," in url.netloc:
        return {}
    found: dict[str, Value] = {"server.address": url.hostname}
    if url.port is not None:
        found["server.port"] = url.port
    return found
