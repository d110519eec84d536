"""Chunk key encodings: chunk coordinates to the end of a key and back (v3 specification, "Chunk key encoding")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from ..errors import MetadataError, UnknownExtension
from ..types import Coords
from .extension import parse_extension

__all__ = [
    "ChunkKeyEncoding",
    "DefaultKeys",
    "EncodingFactory",
    "V2Keys",
    "parse_chunk_key_encoding",
    "register_chunk_key_encoding",
]


class ChunkKeyEncoding(Protocol):
    """Names chunks. The key of a chunk follows the path of its array and a ``/``."""

    def key(self, coords: Coords) -> str:
        """The key of a chunk, without the path of the array."""
        ...

    def parse(self, key: str, *, ndim: int | None = None) -> Coords | None:
        """The chunk that `key` names, ``None`` if it names none. `ndim`, where known, is checked."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The ``chunk_key_encoding`` member of a v3 document."""
        ...


EncodingFactory: TypeAlias = Callable[[Mapping[str, Any]], ChunkKeyEncoding]
"""Makes an encoding of its configuration."""

# At most 19 digits a coordinate, as many as 2**63 has: longer ones name no chunk.
_NUMBERS = {
    separator: re.compile(rf"(?:0|[1-9][0-9]{{0,18}})(?:{re.escape(separator)}(?:0|[1-9][0-9]{{0,18}}))*")
    for separator in "/."
}
_PLACES = {separator: [separator.join(["%d"] * ndim) for ndim in range(65)] for separator in "/."}
_FACTORIES: dict[str, EncodingFactory] = {}


def _check_separator(separator: Any) -> None:
    if not isinstance(separator, str) or separator not in _NUMBERS:
        raise MetadataError(f"chunk key separator must be '/' or '.', not {str(separator)[:40]!r}")


def _coords(text: str, separator: str, ndim: int | None) -> Coords | None:
    if _NUMBERS[separator].fullmatch(text) is None:
        return None
    coords = tuple(map(int, text.split(separator)))
    return coords if ndim is None or len(coords) == ndim else None


@dataclass(frozen=True, slots=True)
class DefaultKeys:
    """``default``: ``c/1/23/45``, or ``c.1.23.45``; ``c`` for the chunk of a 0-d array."""

    separator: str = "/"

    def __post_init__(self) -> None:
        _check_separator(self.separator)

    def key(self, coords: Coords) -> str:
        """The key of a chunk, without the path of the array."""
        return f"c{self.separator}{_PLACES[self.separator][len(coords)] % coords}" if coords else "c"

    def parse(self, key: str, *, ndim: int | None = None) -> Coords | None:
        """The chunk that `key` names, ``None`` if it names none."""
        if key == "c":
            return () if not ndim else None
        return _coords(key[2:], self.separator, ndim) if key.startswith(f"c{self.separator}") else None

    def to_json(self) -> dict[str, Any]:
        """The ``chunk_key_encoding`` member of a v3 document."""
        return {"name": "default", "configuration": {"separator": self.separator}}


@dataclass(frozen=True, slots=True)
class V2Keys:
    """``v2``: ``1.23.45``, or ``1/23/45``; ``0`` for the chunk of a 0-d array. Zarr v2 arrays have no other."""

    separator: str = "."

    def __post_init__(self) -> None:
        _check_separator(self.separator)

    def key(self, coords: Coords) -> str:
        """The key of a chunk, without the path of the array."""
        return _PLACES[self.separator][len(coords)] % coords if coords else "0"

    def parse(self, key: str, *, ndim: int | None = None) -> Coords | None:
        """The chunk that `key` names, ``None`` if it names none. Without `ndim`, ``"0"`` is taken for 1-d."""
        if ndim == 0:
            return () if key == "0" else None
        return _coords(key, self.separator, ndim)

    def to_json(self) -> dict[str, Any]:
        """The ``chunk_key_encoding`` member of a v3 document."""
        return {"name": "v2", "configuration": {"separator": self.separator}}


def register_chunk_key_encoding(name: str, factory: EncodingFactory) -> None:
    """Add a chunk key encoding, or replace one, for this process. What it makes of coordinates must be a valid key."""
    _FACTORIES[name] = factory


def parse_chunk_key_encoding(document: Any, *, strict: bool = False) -> ChunkKeyEncoding:
    """Read the ``chunk_key_encoding`` member of a v3 document.

    Raises:
        UnknownExtension: a name that nobody registered.
        MetadataError: a malformed member or configuration.
    """
    extension = parse_extension(document, "chunk key encoding", strict=strict)
    if strict and not extension.must_understand:
        raise MetadataError("must_understand is not for chunk key encodings")
    factory = _FACTORIES.get(extension.name)
    if factory is None:
        raise UnknownExtension("chunk key encoding", extension.name)
    return factory(extension.configuration)


def _with_separator(make: Callable[[str], ChunkKeyEncoding], default: str) -> EncodingFactory:
    def factory(configuration: Mapping[str, Any]) -> ChunkKeyEncoding:
        if configuration.keys() - {"separator"}:
            raise MetadataError(f"chunk key encodings take a 'separator', not {sorted(configuration)[:8]}")
        return make(configuration.get("separator", default))

    return factory


register_chunk_key_encoding("default", _with_separator(DefaultKeys, "/"))
register_chunk_key_encoding("v2", _with_separator(V2Keys, "."))
