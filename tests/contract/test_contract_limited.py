"""The contract suite also judges a store that can do little, written by somebody else."""

from __future__ import annotations

import pytest

from asynczarr.errors import StoreClosed, Unsupported
from asynczarr.store.base import Capabilities, StoreBase
from asynczarr.store.keys import validate_key
from asynczarr.testing import StoreContract
from asynczarr.types import ByteRange, ObjectInfo, Parts


class PlainStore(StoreBase):
    """Reads and writes, and nothing else."""

    url = "plain://"
    capabilities = Capabilities(list=False)

    def __init__(self):
        self.values = {}

    def look(self, key):
        validate_key(key)
        if self.values is None:
            raise StoreClosed("closed", key=key)
        return self.values

    async def get(self, key, byte_range=None):
        value = self.look(key).get(key)
        return None if value is None else (byte_range or ByteRange()).of(value)

    async def get_ranges(self, key, ranges, *, if_version=None):
        value = self.look(key).get(key)
        if if_version is not None:
            raise Unsupported("no versions", key=key)
        return None if value is None else Parts([part.of(value) for part in ranges], None, len(value))

    async def head(self, key):
        value = self.look(key).get(key)
        return None if value is None else ObjectInfo(len(value))

    async def set(self, key, value, *, create=False, if_version=None, metadata=None):
        if create or if_version or metadata:
            raise Unsupported("no conditions, no metadata", key=key)
        self.look(key)[key] = bytes(value)

    async def delete(self, key, *, if_version=None):
        if if_version:
            raise Unsupported("no conditions", key=key)
        self.look(key).pop(key, None)

    async def list(self, prefix=""):
        raise Unsupported("no listing")
        yield prefix

    list_dir = list

    async def aclose(self):
        self.values = None


class TestPlain(StoreContract):
    @pytest.fixture
    async def store(self):
        async with PlainStore() as store:
            yield store
