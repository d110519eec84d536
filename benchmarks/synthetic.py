"""A store without storage: an array of any number of chunks, all of them the same bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import zstandard

from asynczarr import ByteRange, ObjectInfo, Parts
from asynczarr.store import StoreBase
from asynczarr.store.base import Capabilities

from .layout import DTYPE, Grid, NDArray, document

__all__ = ["SyntheticStore"]

_BytesLike = bytes | bytearray | memoryview


class SyntheticStore(StoreBase):
    """An array whose chunks all hold the same values, in a few kilobytes of memory.

    Args:
        grid: shape and chunks, without shards.
        chunk: the values of each chunk.
    """

    def __init__(self, grid: Grid, chunk: NDArray) -> None:
        assert chunk.shape == grid.chunk
        assert chunk.dtype == DTYPE
        self._metadata = json.dumps(document(grid, "zstd")).encode()
        self._chunk = zstandard.ZstdCompressor(level=1).compress(chunk.tobytes())

    @property
    def url(self) -> str:
        """A name for messages."""
        return "synthetic://"

    @property
    def capabilities(self) -> Capabilities:
        """Reads from memory."""
        return Capabilities(write=False, list=False, sync=True, blocking=False)

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> _BytesLike | None:
        """The metadata or a chunk."""
        value = self._metadata if key == "zarr.json" else self._chunk if key.startswith("c/") else None
        return value if value is None or byte_range is None else byte_range.of(value)

    def get_ranges_sync(self, key: str, ranges: Sequence[ByteRange], *, if_version: str | None = None) -> Parts | None:
        """Parts of it."""
        value = self.get_sync(key)
        return None if value is None else Parts([part.of(value) for part in ranges], None, len(value))

    async def get(self, key: str, byte_range: ByteRange | None = None) -> _BytesLike | None:
        """The metadata or a chunk."""
        return self.get_sync(key, byte_range)

    async def get_ranges(self, key: str, ranges: Sequence[ByteRange], *, if_version: str | None = None) -> Parts | None:
        """Parts of it."""
        return self.get_ranges_sync(key, ranges)

    async def head(self, key: str) -> ObjectInfo | None:
        """Its size."""
        value = self.get_sync(key)
        return None if value is None else ObjectInfo(len(value), None, None)

    def set_sync(self, key: str, value: _BytesLike, *, create: bool = False, if_version: str | None = None) -> None:
        """Nothing can be written."""
        raise PermissionError(key)

    def delete_sync(self, key: str, *, if_version: str | None = None) -> None:
        """Nothing can be removed."""
        raise PermissionError(key)

    async def set(
        self,
        key: str,
        value: _BytesLike,
        *,
        create: bool = False,
        if_version: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Nothing can be written."""
        raise PermissionError(key)

    async def delete(self, key: str, *, if_version: str | None = None) -> None:
        """Nothing can be removed."""
        raise PermissionError(key)

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """Nothing can be listed."""
        raise PermissionError(prefix)

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """Nothing can be listed."""
        raise PermissionError(prefix)

    async def aclose(self) -> None:
        """Nothing to close."""
