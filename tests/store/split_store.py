"""A store that writes by one store and reads by another, so that the contract suite also judges read-only stores."""

from __future__ import annotations

from dataclasses import replace

from asynczarr.errors import Unsupported
from asynczarr.store.base import Capabilities, StoreBase
from asynczarr.types import Parts


class SplitStore(StoreBase):
    """Reads by `reader`, writes by `writer`. Versions of the two have nothing in common, so it has none."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @property
    def url(self):
        return self.reader.url

    @property
    def capabilities(self):
        return Capabilities(list=self.reader.capabilities.list)

    async def get(self, key, byte_range=None):
        return await self.reader.get(key, byte_range)

    async def get_ranges(self, key, ranges, *, if_version=None):
        if if_version is not None:
            await self.reader.get(key)  # a closed store and a bad key are noticed first
            raise Unsupported("no versions", key=key)
        parts = await self.reader.get_ranges(key, ranges)
        return parts and Parts(parts.data, None, parts.size)

    async def head(self, key):
        info = await self.reader.head(key)
        return info and replace(info, version=None)

    async def set(self, key, value, *, create=False, if_version=None, metadata=None):
        if create or if_version or metadata:
            raise Unsupported("plain writes only", key=key)
        await self.writer.set(key, value)

    async def delete(self, key, *, if_version=None):
        if if_version:
            raise Unsupported("plain writes only", key=key)
        await self.writer.delete(key)

    def list(self, prefix=""):
        return self.reader.list(prefix)

    def list_dir(self, prefix=""):
        return self.reader.list_dir(prefix)

    async def aclose(self):
        await self.reader.aclose()
        await self.writer.aclose()
