"""Opening and creating: both forms, every mode, and what each refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.array.documents import find_many
from asynczarr.middleware import Limit, Wrapper
from asynczarr.types import ByteRange

SPEC: dict[str, Any] = {"shape": (4, 6), "dtype": "f4", "chunks": (2, 3)}


async def test_both_forms(tmp_path: Path) -> None:
    array = await az.create_array(tmp_path / "x.zarr", **SPEC)
    await array.write(3)
    await array.aclose()
    async with az.open_array(f"file://{tmp_path}/x.zarr") as array:
        assert (await array.read() == 3).all()
    with pytest.raises(az.StoreClosed):
        await array.read()


async def test_a_given_store_is_not_closed() -> None:
    store = az.MemoryStore()
    async with az.create_array(store, **SPEC):
        pass
    async with az.open_array(store) as array:
        assert array.shape == (4, 6)
    assert await store.head("zarr.json") is not None


async def test_properties() -> None:
    array = await az.create_array(
        "memory://", "a/b", shape=(10, 12), dtype="i2", chunks=(2, 3), shards=(4, 6), fill_value=-1,
        dimension_names=("y", None), attributes={"units": "K"},
    )  # fmt: skip
    assert (array.shape, array.ndim, array.size, array.nbytes, len(array)) == ((10, 12), 2, 120, 240, 10)
    assert (array.chunks, array.shards, array.cdata_shape, array.nchunks) == ((2, 3), (4, 6), (5, 4), 20)
    assert (array.dtype, array.fill_value, array.zarr_format) == (np.dtype("i2"), -1, 3)
    assert (array.path, array.name, array.dimension_names) == ("a/b", "b", ("y", None))
    assert dict(array.attrs) == {"units": "K"}
    assert not array.read_only
    assert [codec.name for codec in array.codecs] == ["sharding_indexed"]
    assert "a/b" in repr(array)
    with pytest.raises(TypeError):
        array.attrs["x"] = 1  # type: ignore[index]
    view = array[1:5, ::2]
    assert (view.shape, view.nbytes) == ((4, 6), 48)
    np.testing.assert_array_equal(await array[{"y": 3}].read(), np.full(12, -1, "i2"))
    with pytest.raises(az.SelectionError):
        array[{"x": 3}]
    with pytest.raises(az.SelectionError):
        view.blocks[0]


@pytest.mark.parametrize("mode", ["r", "r+"])
async def test_modes_that_need_a_node(mode: Any) -> None:
    with pytest.raises(az.NotFound, match="memory://"):
        await az.open_array("memory://", mode=mode)
    with pytest.raises(az.NotFound):
        await az.open_group("memory://", mode=mode)
    with pytest.raises(az.NotFound):
        await az.open("memory://", mode=mode)
    with pytest.raises(ValueError, match="creates nothing"):
        await az.open_array("memory://", mode=mode, **SPEC)


async def test_mode_a_creates_once() -> None:
    store = az.MemoryStore()
    array = await az.open_array(store, mode="a", **SPEC)
    await array.write(1)
    array = await az.open_array(store, mode="a", **SPEC)
    assert (await array.read() == 1).all()
    with pytest.raises(az.MetadataError, match="shape= and dtype="):
        await az.open_array("memory://", mode="a")


async def test_mode_w_replaces_and_w_minus_refuses() -> None:
    store = az.MemoryStore()
    group = await az.create_group(store, attributes={"old": 1})
    await group.create_array("x/y", **SPEC)
    with pytest.raises(az.AlreadyExists):
        await az.open_group(store, mode="w-")
    with pytest.raises(az.AlreadyExists):
        await az.create_array(store, **SPEC)
    group = await az.open_group(store, mode="w")
    assert dict(group.attrs) == {}
    assert [key async for key in store.list()] == ["zarr.json"]
    with pytest.raises(ValueError, match="mode is one of"):
        await az.open_group(store, mode="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="takes mode"):
        await az.open(store, mode="w")  # type: ignore[arg-type]


async def test_mode_r_refuses_every_change() -> None:
    store = az.MemoryStore()
    await (await az.create_group(store)).create_array("x", **SPEC)
    array, group = await az.open_array(store, "x"), await az.open_group(store)
    before = {key: bytes(await store.get(key) or b"") async for key in store.list()}
    for attempt in (
        array.write(1), array[0].write(1), array.resize((1, 1)), array.append(np.zeros((1, 6))),
        array.update_attributes({"a": 1}), array.write_stream([]), group.create_array("y", **SPEC),
        group.create_group("y"), group.delete("x"), group.move("x", "y"), group.consolidate(),
        group.update_attributes({"a": 1}), group.create_many({"z": None}),
    ):  # fmt: skip
        with pytest.raises(az.Forbidden):
            await attempt
    assert before == {key: bytes(await store.get(key) or b"") async for key in store.list()}


async def test_wrong_kind() -> None:
    store = az.MemoryStore()
    group = await az.create_group(store)
    await group.create_array("x", **SPEC)
    with pytest.raises(az.MetadataError, match="a group"):
        await az.open_array(store)
    with pytest.raises(az.MetadataError, match="an array"):
        await az.open_group(store, "x")
    with pytest.raises(az.MetadataError):
        await group.get_group("x")
    with pytest.raises(az.MetadataError):
        await (await az.create_group("memory://")).create_array("g/x", **{**SPEC, "dtype": "nonsense"})
    with pytest.raises(az.MetadataError, match="cannot hold"):
        await group.create_array("x/y", **SPEC)
    assert isinstance(await az.open(store), az.Group)
    assert isinstance(await az.open(store, "x"), az.Array)


async def test_v3_counts_where_both_formats_are() -> None:
    store = az.MemoryStore()
    await az.create_array(store, zarr_format=3, **SPEC)
    other = az.MemoryStore()
    await az.create_array(other, zarr_format=2, **{**SPEC, "shape": (1, 1)})
    async for key in other.list():
        await store.set(key, await other.get(key) or b"")
    assert (await az.open_array(store)).zarr_format == 3
    assert (await az.open_array(store, zarr_format=2)).shape == (1, 1)


async def test_zip_round_trip(tmp_path: Path) -> None:
    values = np.arange(24, dtype="f4").reshape(4, 6)
    async with az.create_array(tmp_path / "x.zip", "deep/er", **SPEC) as array:
        await array.write(values)
        await array[1, 1].write(9)
    values[1, 1] = 9
    async with az.open_array(f"zip://{tmp_path}/x.zip", "deep/er") as array:
        np.testing.assert_array_equal(await array.read(), values)


async def _fail_in(context: Any, cause: type[BaseException]) -> None:
    """Write in the body of an ``async with``, and raise."""
    async with context as given:
        if isinstance(given, az.Array):
            await given[:2].write(9)
        elif isinstance(given, az.Group):
            await given.create_array("a", **SPEC)
        else:
            await given.set("b", b"new")
        raise cause


@pytest.mark.parametrize("mode", ["w", "a", "r+"])
@pytest.mark.parametrize("stack", [None, Wrapper, {}], ids=["bare", "wrapped", "stack"])
async def test_an_archive_stays_when_the_body_raises(tmp_path: Path, mode: Any, stack: Any) -> None:
    """However it was opened: an exception or a cancellation publishes nothing of what was written."""
    path, options = tmp_path / "x.zip", {"stack": stack}
    async with az.create_array(path, **SPEC) as array:
        await array.write(3)
    before = path.read_bytes()
    spec = {} if mode == "r+" else SPEC
    for cause in (RuntimeError, asyncio.CancelledError, GeneratorExit):
        opening = az.open_array(path, mode=mode, store_options=options, **spec)
        array = await az.open_array(path, mode=mode, store_options=options, **spec)
        for context in (opening, array, az.open_store(path, mode=mode, **options)):
            with pytest.raises(cause):
                await _fail_in(context, cause)
            assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["x.zip"]
        with pytest.raises(az.StoreClosed):
            await array.read()
    async with az.open_array(path, mode=mode, store_options=options, **spec) as array:
        with pytest.raises(az.SelectionError):
            await array.write(np.zeros(7))
        await array[:2].write(9)
    async with az.open_array(path) as array:
        assert (await array[:2].read() == 9).all()


async def test_no_archive_comes_into_being_when_the_body_raises(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        await _fail_in(az.create_group(tmp_path / "x.zip"), RuntimeError)
    assert list(tmp_path.iterdir()) == []


async def test_an_archive_stays_when_what_shall_replace_it_cannot_be_made(tmp_path: Path) -> None:
    """Neither an array that is no array nor half a copy takes its place."""
    path = tmp_path / "x.zip"
    async with az.create_array(path, **SPEC) as array:
        await array.write(3)
    before = path.read_bytes()
    with pytest.raises(az.MetadataError):
        await az.open_array(path, mode="w", **{**SPEC, "dimension_names": ("a",) * 9})
    assert path.read_bytes() == before
    folder = tmp_path / "damaged"
    async with az.create_array(folder, shape=4, chunks=2, dtype="i4", codecs=["bytes", "crc32c"]) as array:
        await array.write(5)
    (folder / "c" / "1").write_bytes(b"x" * 12)
    for mode in ({}, {"overwrite": True, "chunks": 4}):
        with pytest.raises(az.CodecError if mode else az.AlreadyExists):
            await az.copy(folder, path, **mode)
        assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["damaged", "x.zip"]


async def test_a_given_archive_is_left_to_its_owner_when_the_body_raises(tmp_path: Path) -> None:
    async with az.ZipStore(tmp_path / "x.zip", mode="w") as store:
        with pytest.raises(RuntimeError):
            await _fail_in(az.create_array(store, **SPEC), RuntimeError)
        assert await store.head("zarr.json") is not None
    async with az.open_array(tmp_path / "x.zip") as array:
        assert (await array[:2].read() == 9).all()


async def test_create_arguments() -> None:
    with pytest.raises(az.MetadataError):
        await az.create_array("memory://", **SPEC, order="F")
    with pytest.raises(az.MetadataError):
        await az.create_array("memory://", **SPEC, zarr_format=2, codecs="zstd")
    with pytest.raises(az.MetadataError):
        await az.create_array("memory://", **SPEC, shards=(3, 3))
    with pytest.raises(az.MetadataError):
        await az.create_array("memory://", **SPEC, zarr_format=4)  # type: ignore[arg-type]
    with pytest.raises(az.MetadataError):
        await az.create_array("memory://", shape=(4, 6), dtype="f4", chunks=(0, 1))
    with pytest.raises(az.MetadataError):
        await az.create_array("memory://", shape="x", dtype="f4")  # type: ignore[arg-type]
    array = await az.create_array("memory://", shape=(5000, 5000), dtype="f8")
    assert 2**18 <= np.prod(array.chunks) * 8 <= 2**20
    array = await az.create_array("memory://", shape=10, dtype="U4", chunks=4, chunk_key_encoding=".")
    await array.write(np.array(["é"] * 10))
    assert sorted([key async for key in array.store.list()]) == ["c.0", "c.1", "c.2", "zarr.json"]
    assert await array.nchunks_stored() == 3
    assert await array.nbytes_stored() > 0


async def test_unknown_codec_that_may_be_ignored_makes_an_array_read_only() -> None:
    store = az.MemoryStore()
    array = await az.create_array(store, **SPEC, codecs=["bytes"])
    await array.write(5)
    document = bytes(await store.get("zarr.json") or b"")
    extra = b'{"name": "who.knows", "must_understand": false},'
    await store.set("zarr.json", document.replace(b'"codecs": [', b'"codecs": [' + extra))
    array = await az.open_array(store, mode="r+")
    assert (await array.read() == 5).all()
    with pytest.raises(az.MetadataError, match="read-only"):
        await array.write(1)


async def test_concurrent_appends_and_attributes_lose_nothing(tmp_path: Path) -> None:
    store = az.FilesystemStore(tmp_path)
    await az.create_array(store, shape=(0, 3), dtype="i4", chunks=(2, 3))

    async def one(number: int) -> None:
        array = await az.open_array(store, mode="r+")
        await array.append(np.full((3, 3), number))
        await array.update_attributes({str(number): number})

    await asyncio.gather(*(one(number) for number in range(8)))
    array = await az.open_array(store)
    rows = (await array.read())[:, 0]
    assert rows.size == 24
    assert sorted(rows[::3].tolist()) == list(range(8))
    assert all((rows[i : i + 3] == rows[i]).all() for i in range(0, 24, 3))
    assert array.attrs == {str(number): number for number in range(8)}


async def test_refresh_sees_the_changes_of_others() -> None:
    store = az.MemoryStore()
    mine, other = await az.create_array(store, **SPEC), await az.open_array(store, mode="r+")
    await other.resize((8, 6))
    await other.update_attributes({"a": [1, {"b": None}]})
    assert mine.shape == (4, 6)
    await mine.refresh()
    assert mine.shape == (8, 6)
    assert mine.attrs["a"] == [1, {"b": None}]
    await mine.update_attributes({"c": 1}, replace=True)
    assert dict(mine.attrs) == {"c": 1}
    with pytest.raises(az.MetadataError):
        await mine.update_attributes({"bad": object()})
    with pytest.raises(az.MetadataError):
        await mine.resize((1,))
    with pytest.raises(az.MetadataError):
        await mine.resize((1, -1))
    with pytest.raises(az.SelectionError):
        await mine.append(np.zeros((1, 5)))
    with pytest.raises(az.SelectionError):
        await mine.append(np.zeros((1, 6)), axis=2)
    await (await az.open_group(store, mode="w")).aclose()
    with pytest.raises((az.MetadataError, az.NotFound)):
        await mine.refresh()


async def test_values_that_do_not_fit() -> None:
    array = await az.create_array("memory://", **SPEC)
    with pytest.raises(az.SelectionError, match="does not fit"):
        await array.write(np.zeros((5, 6)))
    with pytest.raises(az.SelectionError, match="out="):
        await array.read(out=np.zeros((4, 6), "f8"))
    out = np.zeros((4, 6), "f4")
    await array[1].write(np.arange(6))
    assert await array.read(out=out) is out
    np.testing.assert_array_equal(out[1], np.arange(6))


class Far(Wrapper):
    """A store behind a network, which remembers how much was asked for, and by how many at a time."""

    def __init__(self) -> None:
        super().__init__(az.MemoryStore())
        self.asked: list[ByteRange] = []
        self.inside = self.most = 0

    async def around(self, request: Any, send: Any) -> Any:
        self.asked += request.ranges
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(0)
            return await send()
        finally:
            self.inside -= 1


async def test_a_document_is_asked_for_as_what_it_usually_is() -> None:
    far = Far()
    names = [f"g{number}" for number in range(40)]
    for name in names:
        await az.create_group(far.inner, name)
    found = await find_many(Limit(far), names)
    assert all(loaded is not None for loaded in found)
    assert far.asked == [ByteRange(0, 2**20)] * 40
    assert far.most == 40  # not as many as have room for 64 MiB each


async def test_a_long_document_is_read_as_a_whole() -> None:
    far = Far()
    text = "x" * 2**20
    await az.create_group(far.inner, "g", attributes={"text": text})
    far.asked.clear()
    assert (await az.open_group(far, "g")).metadata.attributes == {"text": text}
    assert [part.start for part in far.asked] == [0, 0]
    await far.inner.set("g/zarr.json", b" " * (64 * 2**20 + 1))
    far.asked.clear()
    with pytest.raises(az.MetadataError, match="more than"):
        await az.open_group(far, "g")
    assert len(far.asked) == 1
