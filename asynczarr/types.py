"""Small records and aliases that every layer shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["JSON", "ByteRange", "BytesLike", "Coords", "ObjectInfo", "Parts", "Version"]

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""What stores and codecs hand around. It never changes after it was handed over."""

Coords: TypeAlias = tuple[int, ...]
"""Coordinates of a chunk in a chunk grid, one integer an axis."""

Version: TypeAlias = str
"""Opaque token of one stored state of one key (ETag, generation, ...). Equal tokens mean equal bytes."""

JSON: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a value, with the meaning of a Python slice with step 1.

    ``ByteRange(8, 16)`` is bytes 8 to 15, ``ByteRange(8)`` all from byte 8, ``ByteRange(-16)`` the last 16 bytes.
    What lies outside of the value is cut off: the result may be shorter than asked, also empty.

    Raises:
        ValueError: a negative start with a stop, a negative stop, or a stop before the start.
    """

    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.stop is not None and not 0 <= self.start <= self.stop:
            raise ValueError(f"not a byte range: {self.start}..{self.stop}")

    @property
    def length(self) -> int | None:
        """Number of bytes asked for, ``None`` for "up to the end"."""
        if self.stop is None:
            return -self.start if self.start < 0 else None
        return self.stop - self.start

    def resolve(self, size: int) -> tuple[int, int]:
        """Start and stop within a value of `size` bytes, cut to it."""
        start, stop, _ = slice(self.start, self.stop).indices(size)
        return start, max(start, stop)

    def of(self, data: BytesLike) -> BytesLike:
        """Cut this range out of `data`, without a copy where possible."""
        if self.start == 0 and (self.stop is None or self.stop >= len(data)):
            return data
        return memoryview(data)[self.start : self.stop]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of a value without reading it.

    Attributes:
        size: bytes.
        version: token for conditional requests, ``None`` where the store has none.
        modified: seconds since the epoch, ``None`` where unknown.
        metadata: user metadata stored with the value.
    """

    size: int
    version: Version | None = None
    modified: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parts:
    """Ranges of one value, all of the same version.

    Attributes:
        data: one buffer a requested range, in the order asked.
        version: the version that all of them were cut from, ``None`` where the store has none.
        size: bytes of the whole value.
        metadata: user metadata of that version, ``None`` where the answer did not bring it.
    """

    data: list[BytesLike]
    version: Version | None
    size: int
    metadata: Mapping[str, str] | None = None
