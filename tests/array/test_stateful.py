"""A hierarchy against a model: create, write, resize, append, delete, move, attributes, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

import asynczarr as az
from asynczarr.middleware import ChunkCache

T = TypeVar("T")
NAMES = st.sampled_from(("a", "b", "g/a", "g/h/a"))
FILL = 7


class Hierarchy(RuleBasedStateMachine):
    """Arrays in a group, and what NumPy says they hold."""

    arrays = Bundle("arrays")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, np.ndarray[Any, Any]] = {}
        self.attributes: dict[str, dict[str, int]] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def array(self, name: str) -> az.Array:
        return await az.open_array(self.store, name, mode="r+", options=self.options)

    @initialize(
        zarr_format=st.sampled_from((2, 3)), write_empty=st.booleans(), ttl=st.sampled_from((None, 0.0, "uncached"))
    )
    def start(self, zarr_format: int, write_empty: bool, ttl: Any) -> None:
        self.store = az.MemoryStore()
        cache = None if ttl == "uncached" else ChunkCache(10_000, ttl=ttl)
        self.options = az.NodeOptions(write_empty_chunks=write_empty, chunk_cache=cache)

        async def make() -> az.Group:
            return await az.create_group(self.store, zarr_format=zarr_format, options=self.options)

        self.group = self.run(make())

    @rule(
        target=arrays,
        name=NAMES,
        shape=st.tuples(st.integers(0, 6), st.integers(0, 6)),
        chunks=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        shards=st.booleans(),
    )
    def create(self, name: str, shape: tuple[int, int], chunks: tuple[int, int], shards: bool) -> str:
        spec: dict[str, Any] = {"shape": shape, "chunks": chunks, "dtype": "i4", "fill_value": FILL}
        if shards and self.group.zarr_format == 3:
            spec["shards"] = tuple(2 * n for n in chunks)
        self.run(self.group.create_array(name, overwrite=True, **spec))
        self.model[name] = np.full(shape, FILL, "i4")
        self.attributes[name] = {}
        return name

    def alive(self, name: str) -> bool:
        return name in self.model

    @rule(name=arrays, data=st.data())
    def write(self, name: str, data: st.DataObject) -> None:
        if not self.alive(name):
            return
        expected = self.model[name]
        region = tuple(data.draw(st.slices(n)) for n in expected.shape)
        value = data.draw(st.integers(-5, 5)) + np.arange(expected[region].size).reshape(expected[region].shape)
        if data.draw(st.booleans()):
            value = np.full_like(value, FILL)

        async def work() -> None:
            await (await self.array(name))[region].write(value)

        self.run(work())
        expected[region] = value

    @rule(name=arrays, shape=st.tuples(st.integers(0, 7), st.integers(0, 7)))
    def resize(self, name: str, shape: tuple[int, int]) -> None:
        if not self.alive(name):
            return

        async def work() -> None:
            await (await self.array(name)).resize(shape)

        self.run(work())
        new = np.full(shape, FILL, "i4")
        both = tuple(slice(0, min(a, b)) for a, b in zip(shape, self.model[name].shape, strict=True))
        new[both] = self.model[name][both]
        self.model[name] = new

    @rule(name=arrays, length=st.integers(0, 4), axis=st.sampled_from((0, 1, -1)))
    def append(self, name: str, length: int, axis: int) -> None:
        if not self.alive(name):
            return
        old = self.model[name]
        shape = list(old.shape)
        shape[axis] = length
        more = np.arange(np.prod(shape), dtype="i4").reshape(shape)

        async def work() -> None:
            await (await self.array(name)).append(more, axis)

        self.run(work())
        self.model[name] = np.concatenate([old, more], axis)

    @rule(name=consumes(arrays))
    def delete(self, name: str) -> None:
        if self.alive(name):
            self.run(self.group.delete(name))
            del self.model[name]
        else:
            with pytest.raises(az.NotFound):
                self.run(self.group.delete(name))

    @rule(target=arrays, source=arrays, name=NAMES)
    def move(self, source: str, name: str) -> str:
        if not self.alive(source) or source == name:
            return source
        if self.alive(name):
            with pytest.raises(az.AlreadyExists):
                self.run(self.group.move(source, name))
            return source
        self.run(self.group.move(source, name))
        self.model[name] = self.model.pop(source)
        self.attributes[name] = self.attributes.pop(source)
        return name

    @rule(name=arrays, key=st.sampled_from("xy"), value=st.integers())
    def set_attribute(self, name: str, key: str, value: int) -> None:
        if not self.alive(name):
            return

        async def work() -> None:
            await (await self.array(name)).update_attributes({key: value})

        self.run(work())
        self.attributes[name][key] = value

    @rule()
    def consolidate(self) -> None:
        self.run(self.group.consolidate())

    @rule(name=arrays)
    def write_stream(self, name: str) -> None:
        if not self.alive(name):
            return
        expected = self.model[name]

        async def work() -> None:
            array = await self.array(name)
            items = [(index, expected[region(array, index)] + 1) for index in np.ndindex(*array.cdata_shape)]
            report = await array.write_stream(items)
            assert report.items == len(items)
            assert not report.failed

        self.run(work())
        self.model[name] = expected + 1

    @invariant()
    def equal(self) -> None:
        if not hasattr(self, "group"):
            return

        async def work() -> None:
            group = await az.open_group(self.store)
            found = {path: node async for path, node in group.members(max_depth=None)}
            assert {path for path, node in found.items() if isinstance(node, az.Array)} == set(self.model)
            for name, expected in self.model.items():
                array = found[name]
                assert isinstance(array, az.Array)
                assert dict(array.attrs) == self.attributes[name]
                np.testing.assert_array_equal(await array.read(), expected)

        self.run(work())

    def teardown(self) -> None:
        self.runner.close()


def region(array: az.Array, index: tuple[int, ...]) -> tuple[slice, ...]:
    """The region of a chunk, cut to the array."""
    return tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, array.chunks, array.shape, strict=True))


TestHierarchy = Hierarchy.TestCase
TestHierarchy.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
