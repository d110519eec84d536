"""What ``create_array`` makes of its arguments: chunks, integers of NumPy, and words for those that make no array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az

SPEC: dict[str, Any] = {"shape": (4,), "dtype": "f4", "chunks": (2,)}


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_one_integer_is_the_chunk_length_of_every_axis_however_short_it_is(zarr_format: Any) -> None:
    array = await az.create_array("memory://", shape=(1, 3), dtype="i4", chunks=64, zarr_format=zarr_format)
    assert array.chunks == (64, 64)
    await array.write([[1, 2, 3]])
    await array.append(np.arange(297).reshape(99, 3))
    assert await array.nchunks_stored() == 2
    expected = np.concatenate([[[1, 2, 3]], np.arange(297).reshape(99, 3)])
    np.testing.assert_array_equal(await array.read(max_bytes=1), expected)
    np.testing.assert_array_equal(await array[60:70, 1].read(), expected[60:70, 1])
    chunks = [chunk async for chunk in array.stream_chunks(max_bytes=1)]
    assert [chunk.data.shape for chunk in chunks] == [(64, 3), (36, 3)]
    np.testing.assert_array_equal([part.data async for part in array.stream_slices(max_bytes=1)], expected)
    await array.resize((2, 2))
    np.testing.assert_array_equal(await array.read(), expected[:2, :2])


async def test_one_integer_for_the_shards_of_an_array_that_will_grow() -> None:
    array = await az.create_array("memory://", shape=(3, 3), dtype="i4", chunks=100, shards=200)
    assert (array.chunks, array.shards) == ((100, 100), (200, 200))
    await array.write(1)
    await array.append(np.full((150, 3), 2))
    assert await array.nchunks_stored() == 1
    assert (await array.read()).sum() == 9 + 2 * 450


@pytest.mark.parametrize(
    ("shape", "dtype", "chunks"),
    [
        ((0,), "f8", (2**17,)),
        ((0, 100), "f4", (2**11, 100)),
        ((0, 1000, 1000), "f4", (1, 500, 500)),
        ((0, 0), "u1", (2**10, 2**10)),
        ((0, 1000), "U300000", (1, 1)),
        ((), "f8", ()),
        ((), "U300000", ()),
        ((10,), "f8", (10,)),
    ],
)
async def test_automatic_chunks(shape: Any, dtype: str, chunks: Any) -> None:
    assert (await az.create_array("memory://", shape=shape, dtype=dtype)).chunks == chunks


async def test_an_array_of_automatic_chunks_that_begins_empty() -> None:
    array = await az.create_array("memory://", shape=(0, 10), dtype="f8")
    for start in range(0, 1000, 100):
        await array.append(np.arange(10 * start, 10 * start + 1000).reshape(100, 10))
    assert await array.nchunks_stored() == 1
    np.testing.assert_array_equal(await array.read(), np.arange(10000).reshape(1000, 10))


@pytest.mark.parametrize("shards", [(5000, 5000), (300, 300), (1009, 2), (7, 10**6), (3, 5), 4096])
async def test_automatic_chunks_divide_the_shard(shards: Any) -> None:
    array = await az.create_array("memory://", shape=(10000, 10000), dtype="f4", shards=shards)
    assert array.shards is not None
    assert all(shard % chunk == 0 for shard, chunk in zip(array.shards, array.chunks, strict=True))
    assert np.prod(array.chunks) * 4 <= 2**20


async def test_integers_of_numpy() -> None:
    two, four = np.int64(2), np.uint8(4)
    for changes in (
        {"shape": four}, {"shape": (four,)}, {"chunks": two}, {"chunks": (two,)}, {"chunks": np.array([2])},
        {"shards": four}, {"shards": (four,)}, {"shards": np.array([4])},
    ):  # fmt: skip
        array = await az.create_array("memory://", **{**SPEC, **changes})
        assert (array.shape, array.chunks) == ((4,), (2,))
        assert array.shards == ((4,) if "shards" in changes else None)
    for chunks in (([np.int64(1), 3],), ([1, [np.int64(3), np.int64(1)]],), (np.array([1, 3]),)):
        array = await az.create_array("memory://", **{**SPEC, "chunks": chunks})
        assert array.cdata_shape == (2,)
    await array.resize(np.int64(3))  # type: ignore[arg-type]
    await array.resize((np.int64(2),))  # type: ignore[arg-type]
    assert array.shape == (2,)
    document = await array.store.get("zarr.json")
    assert b'"shape": [2]' in bytes(document or b"").replace(b"[\n    2\n  ]", b"[2]")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"shape": None}, "shape is made of integers"),
        ({"shape": (4.0,)}, "shape is made of integers"),
        ({"shape": True}, "shape is made of integers"),
        ({"chunks": None}, "chunks= is 'auto'"),
        ({"chunks": 2.0}, "chunks= is 'auto'"),
        ({"chunks": (2.0,)}, "chunks= is 'auto'"),
        ({"chunks": "foo"}, "chunks= is 'auto'"),
        ({"chunks": (["x"],)}, "chunks= is 'auto'"),
        ({"chunks": True}, "chunks= is 'auto'"),
        ({"chunks": 0}, "from 1"),
        ({"chunks": (2, 2)}, "2 axes"),
        ({"shards": "auto"}, "shards is made of integers"),
        ({"shards": 2**61 - 1, "chunks": "auto"}, "the index of"),
        ({"shards": (0,), "chunks": "auto"}, "from 1"),
        ({"shards": (4, 4), "chunks": "auto"}, "2 axes"),
        ({"dimension_names": 5}, "dimension_names="),
        ({"attributes": 5}, "attributes are a mapping"),
        ({"filters": 5, "zarr_format": 2}, "a v2 codec"),
    ],
)
async def test_arguments_that_make_no_array(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(az.MetadataError, match=words):
        await az.create_array("memory://", **{**SPEC, **bad})


async def test_arguments_by_name() -> None:
    group = await az.create_group("memory://")
    for make in (
        lambda **given: az.open_array("memory://", mode="w", **given),
        lambda **given: group.create_array("x", **given),
        lambda **given: group.require_array("x", **given),
        lambda **given: group.create_many({"x": given}),
    ):
        with pytest.raises(az.MetadataError, match="shape= and dtype="):
            await make(shape=3)
        with pytest.raises(az.MetadataError, match="takes no colour"):
            await make(**SPEC, colour="red")
    with pytest.raises(az.MetadataError, match="a mapping, not 5"):
        await group.create_many({"x": 5})  # type: ignore[dict-item]
    with pytest.raises(az.MetadataError, match="attributes are"):
        await group.create_group("x", attributes=5)  # type: ignore[arg-type]
    with pytest.raises(az.MetadataError, match="attributes are"):
        await az.create_group("memory://", attributes=5)  # type: ignore[arg-type]
    assert not await group.contains("x")


async def test_changes_that_make_no_sense() -> None:
    array = await az.create_array("memory://", **SPEC)
    for shape in ("6", None, (1.5,), True):
        with pytest.raises(az.MetadataError, match="shape is made of integers"):
            await array.resize(shape)  # type: ignore[arg-type]
    for node in (array, await az.create_group("memory://")):
        for changes in (5, None, [("a", 1)]):
            with pytest.raises(az.MetadataError, match="attributes are"):
                await node.update_attributes(changes)  # type: ignore[arg-type]
        assert dict(node.attrs) == {}


async def test_places_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("mine")
    group = await az.create_group("memory://")
    for where in (5, None, b"x", object(), group):
        with pytest.raises(az.Unsupported, match="a URL, path or store"):
            await az.open(where)  # type: ignore[arg-type]
    for where in ("", "/tmp/a\0b"):
        with pytest.raises(az.KeyInvalid):
            await az.open(where)
        with pytest.raises(az.KeyInvalid):
            await az.create_array(where, **SPEC, overwrite=True)
        with pytest.raises(az.KeyInvalid):
            await az.copy(group, where, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]
    for path in (5, None):
        with pytest.raises(az.KeyInvalid, match="a path is a string"):
            await az.open_array(tmp_path, path)  # type: ignore[arg-type]
        with pytest.raises(az.KeyInvalid, match="a path is a string"):
            await group.get(path)  # type: ignore[arg-type]
