"""The contract suite fails for stores that break their promises: each kind of mistake is caught by the test for it."""

from __future__ import annotations

import asyncio

import pytest

from asynczarr.store import MemoryStore
from asynczarr.store.base import Capabilities
from asynczarr.store.memory import _Value
from asynczarr.testing import StoreContract
from asynczarr.types import ByteRange


class KeepsTheCallersBuffer(MemoryStore):
    async def set(self, key, value, **options):
        version = await super().set(key, value, **options)
        self._shelf.values[key] = _Value(value, self._shelf.values[key].info)
        return version


class TakesAnyKey(MemoryStore):
    async def get(self, key, byte_range=None):
        return await super().get("k" if "\\" in key else key, byte_range)


class ListsByText(MemoryStore):
    async def list(self, prefix=""):
        async for key in super().list():
            if key.startswith(prefix.rstrip("/")):
                yield key


class ListsOnePage(MemoryStore):
    async def list(self, prefix=""):
        count = 0
        async for key in super().list(prefix):
            count += 1
            if count <= 1000:
                yield key


class SuffixAsStart(MemoryStore):
    async def get(self, key, byte_range=None):
        if byte_range is not None and byte_range.start < 0:
            byte_range = ByteRange(-byte_range.start)
        return await super().get(key, byte_range)


class ExistsThenSet(MemoryStore):
    async def set(self, key, value, *, create=False, **options):
        if create and await self.head(key) is None:
            await asyncio.sleep(0)
            create = False
        return await super().set(key, value, create=create, **options)


class ForgetsTheCondition(MemoryStore):
    async def set(self, key, value, *, if_version=None, **options):
        return await super().set(key, value, **options)


class ReadsRangesOneByOne(MemoryStore):
    async def get_ranges(self, key, ranges, *, if_version=None):
        parts = await super().get_ranges(key, ranges, if_version=if_version)
        for number, part in enumerate(ranges if parts else ()):
            await asyncio.sleep(0)
            parts.data[number] = await self.get(key, part)
        return parts


class ClaimsNoConditions(MemoryStore):
    capabilities = Capabilities(sync=True)


class StaysOpen(MemoryStore):
    async def aclose(self):
        pass


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (KeepsTheCallersBuffer, "test_values_do_not_change_afterwards"),
        (ListsByText, "test_list"),
        (ListsOnePage, "test_many_keys_are_listed_completely"),
        (ExistsThenSet, "test_create_has_one_winner"),
        (ForgetsTheCondition, "test_compare_and_swap_loses_no_update"),
        (ForgetsTheCondition, "test_conditions_on_what_is_not_so"),
        (ReadsRangesOneByOne, "test_readers_see_old_or_new"),
        (ClaimsNoConditions, "test_create_has_one_winner"),
        (ClaimsNoConditions, "test_versions"),
        (ClaimsNoConditions, "test_user_metadata"),
        (StaysOpen, "test_closed_store_refuses"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_mistake_is_caught(broken, test):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(StoreContract(), test)(broken())


async def test_mistakes_of_single_inputs_are_caught():
    with pytest.raises(AssertionError):
        await StoreContract().test_ranges_are_slices(SuffixAsStart(), b"0123456789")
    with pytest.raises(AssertionError):
        await StoreContract().test_hostile_keys_are_refused(TakesAnyKey())
