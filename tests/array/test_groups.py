"""Groups: members, tree, creating, moving, deleting, consolidated metadata."""

from __future__ import annotations

from typing import Any

import pytest

import asynczarr as az

SPEC: dict[str, Any] = {"shape": (4,), "dtype": "f4", "chunks": (2,)}


class CountingStore(az.MemoryStore):
    """Counts requests that read."""

    reads = 0

    async def get_ranges(self, *args: Any, **options: Any) -> Any:
        self.reads += 1
        return await super().get_ranges(*args, **options)


@pytest.fixture(params=[2, 3])
async def group(request: pytest.FixtureRequest) -> az.Group:
    """A group in either format with a small hierarchy."""
    group = await az.create_group(CountingStore(), zarr_format=request.param)
    await group.create_many({"a": SPEC, "g": None, "g/b": SPEC, "g/h/c": {**SPEC, "attributes": {"deep": True}}})
    return group


async def names(group: az.Group, max_depth: int | None) -> list[str]:
    return [path async for path, _ in group.members(max_depth=max_depth)]


async def test_members(group: az.Group) -> None:
    assert await names(group, 0) == ["a", "g"]
    assert await names(group, 1) == ["a", "g", "g/b", "g/h"]
    assert await names(group, None) == ["a", "g", "g/b", "g/h", "g/h/c"]
    assert await names(await group.get_group("g"), None) == ["b", "h", "h/c"]
    assert await group.contains("g/h/c")
    assert not await group.contains("g/x")
    assert (await group.get_array("g/h/c")).attrs["deep"] is True
    with pytest.raises(az.NotFound):
        await group.get("x")
    with pytest.raises(az.AsyncZarrError):
        await group.get("../x")
    with pytest.raises(az.MetadataError):
        await group.get("")


async def test_tree(group: az.Group) -> None:
    assert str(await group.tree()) == (
        "/\n├── a (4,) float32\n└── g\n    ├── b (4,) float32\n    └── h\n        └── c (4,) float32"
    )
    assert "c (4,)" not in str(await group.tree(max_depth=1))


async def test_consolidated_metadata_saves_requests_and_stays_true(group: az.Group) -> None:
    await group.consolidate()
    store = group.store
    assert isinstance(store, CountingStore)
    opened = await az.open_group(store, mode="r+")
    before = store.reads
    assert await names(opened, None) == ["a", "g", "g/b", "g/h", "g/h/c"]
    below = await opened.get_group("g")
    assert (await below.get_array("h/c")).shape == (4,)
    with pytest.raises(az.NotFound):
        await opened.get("x")
    assert store.reads == before, "everything came from consolidated metadata"
    await (await opened.get_array("g/h/c")).resize((9,))
    await opened.create_array("g/new", **SPEC)
    await opened.delete("g/b")
    await opened.move("a", "z")
    for consolidated in (True, False):
        again = await az.open_group(store, use_consolidated=consolidated)
        assert await names(again, None) == ["g", "g/h", "g/h/c", "g/new", "z"]
        assert (await again.get_array("g/h/c")).shape == (9,)
    assert await names(opened, None) == ["g", "g/h", "g/h/c", "g/new", "z"]


async def test_nested_consolidated_groups_are_all_refreshed(group: az.Group) -> None:
    await (await group.get_group("g")).consolidate()
    await group.consolidate()
    await (await az.open_array(group.store, "g/h/c", mode="r+")).update_attributes({"n": 1})
    for path, relative in (("", "g/h/c"), ("g", "h/c")):
        opened = await az.open_group(group.store, path)
        assert opened.metadata.consolidated is not None
        assert (await opened.get_array(relative)).attrs["n"] == 1


async def both_ways(store: az.Store, path: str = "") -> list[str]:
    """Paths below a group, which its consolidated metadata and the store must agree about."""
    consolidated = await az.open_group(store, path)
    assert consolidated.metadata.consolidated is not None
    found = await names(consolidated, None)
    assert found == await names(await az.open_group(store, path, use_consolidated=False), None)
    return found


async def test_consolidated_metadata_moves_with_a_group(group: az.Group) -> None:
    await group.create_group("other")
    await (await group.get_group("other")).consolidate()
    await group.consolidate()
    await (await group.get_array("g/h/c")).write(7)
    await group.move("g", "moved")
    moved = ["moved", "moved/b", "moved/h", "moved/h/c"]
    assert await names(group, None) == await both_ways(group.store) == ["a", *moved, "other"]
    array = await group.get_array("moved/h/c")
    assert (array.attrs["deep"], (await array.read() == 7).all()) == (True, True)
    await group.move("moved", "other/deep/er")
    assert await both_ways(group.store, "other") == ["deep", *(f"deep/er{path[5:]}" for path in moved)]
    await both_ways(group.store)


async def test_a_move_below_consolidated_metadata_refuses_what_it_cannot_read(group: az.Group) -> None:
    await group.consolidate()
    await group.store.set("g/b/zarr.json" if group.zarr_format == 3 else "g/b/.zarray", b"{broken")
    keys = {key async for key in group.store.list()}
    with pytest.raises(az.MetadataError, match="g/b/"):
        await group.move("g", "moved")
    assert {key async for key in group.store.list()} == keys


@pytest.mark.parametrize("how", ["create_group", "create_array", "create_many", "mode w", "copy"])
async def test_what_is_overwritten_leaves_consolidated_metadata(group: az.Group, how: str) -> None:
    await group.consolidate()
    below: list[str] = []
    if how == "create_group":
        await group.create_group("g", overwrite=True)
    elif how == "create_array":
        await group.create_array("g", **SPEC, overwrite=True)
    elif how == "create_many":
        await group.create_many({"g": None, "g/h/new": SPEC}, overwrite=True)
        below = ["g/h", "g/h/new"]
    elif how == "mode w":
        await az.open_array(group.store, "g", mode="w", zarr_format=group.zarr_format, **SPEC)
    else:
        source = await az.create_group("memory://", zarr_format=group.zarr_format)
        await source.create_array("copied", **SPEC)
        await az.copy(source, group.store, "g", overwrite=True)
        below = ["g/copied"]
    await group.refresh()
    assert await names(group, None) == await both_ways(group.store) == ["a", "g", *below]
    with pytest.raises(az.NotFound):
        await group.get("g/b")


async def test_create_many_below_consolidated_metadata_that_it_was_not_opened_by(group: az.Group) -> None:
    await group.consolidate()
    store = group.store
    assert isinstance(store, CountingStore)
    below = await az.open_group(store, "g", mode="r+")
    documents = "zarr.json" if group.zarr_format == 3 else ".zmetadata"
    writes = 0
    write = store.set

    async def count(key: str, *args: Any, **options: Any) -> Any:
        nonlocal writes
        writes += key == documents
        return await write(key, *args, **options)

    store.set = count  # type: ignore[method-assign]
    await below.create_many({"n1": None, "n2/deep": SPEC, "n3": SPEC})
    assert writes == 1, "once for all nodes"
    assert await both_ways(store) == ["a", "g", "g/b", "g/h", "g/h/c", "g/n1", "g/n2", "g/n2/deep", "g/n3"]


async def test_require(group: az.Group) -> None:
    array = await group.require_array("g/b", **SPEC)
    await array.write(1)
    assert ((await (await group.require_array("g/b", **SPEC)).read()) == 1).all()
    with pytest.raises(az.MetadataError, match=r"\(5,\)"):
        await group.require_array("g/b", **{**SPEC, "shape": (5,)})
    with pytest.raises(az.MetadataError):
        await group.require_array("g", **SPEC)
    assert (await group.require_group("g")).path == "g"
    assert (await group.require_group("new/er")).path == "new/er"
    assert await group.contains("new")


async def test_create_many_is_all_or_nothing(group: az.Group) -> None:
    keys = {key async for key in group.store.list()}
    with pytest.raises(az.AlreadyExists):
        await group.create_many({"n1": SPEC, "g/b": SPEC})
    with pytest.raises(az.MetadataError):
        await group.create_many({"n1": SPEC, "n2": {**SPEC, "dtype": "?!"}})
    with pytest.raises(az.MetadataError, match="cannot hold"):
        await group.create_many({"n1": SPEC, "n1/n2": SPEC})
    assert {key async for key in group.store.list()} == keys
    made = await group.create_many({f"many/{n}": SPEC for n in range(150)})
    assert len(made) == 150
    assert len(await names(await group.get_group("many"), 0)) == 150
    await group.create_many({"g/b": {**SPEC, "shape": (7,)}}, overwrite=True)
    assert (await group.get_array("g/b")).shape == (7,)


async def test_move_and_delete(group: az.Group) -> None:
    await (await group.get_array("g/h/c")).write(5)
    await group.move("g", "moved/here")
    assert await names(group, None) == ["a", "moved", "moved/here", "moved/here/b", "moved/here/h", "moved/here/h/c"]
    assert ((await (await group.get_array("moved/here/h/c")).read()) == 5).all()
    with pytest.raises(az.AlreadyExists):
        await group.move("a", "moved")
    with pytest.raises(az.NotFound):
        await group.move("g", "x")
    with pytest.raises(az.KeyInvalid, match="itself"):
        await group.move("moved", "moved/here/again")
    await group.delete("moved")
    with pytest.raises(az.NotFound):
        await group.delete("moved")
    assert await names(group, None) == ["a"]
    assert not [key async for key in group.store.list("moved/")]
    assert not [key async for key in group.store.list("g/")]


async def test_attributes(group: az.Group) -> None:
    await group.update_attributes({"a": 1, "b": {"c": [1, 2]}})
    again = await az.open_group(group.store, mode="r+")
    assert dict(again.attrs) == {"a": 1, "b": {"c": [1, 2]}}
    await again.update_attributes({"d": 1})
    await group.refresh()
    assert set(group.attrs) == {"a", "b", "d"}
    assert "Group" in repr(group)


async def test_strange_names_below_are_passed_over(group: az.Group) -> None:
    for key in ("__hidden/zarr.json", "stray.txt", "empty/note.txt"):
        await group.store.set(key, b"{}")
    assert await names(group, None) == ["a", "g", "g/b", "g/h", "g/h/c"]


async def test_a_broken_child_is_an_error_and_not_missing(group: az.Group) -> None:
    name = "zarr.json" if group.zarr_format == 3 else ".zarray"
    await group.store.set(f"a/{name}", b"{broken")
    with pytest.raises(az.MetadataError, match="a/"):
        await group.get("a")
    with pytest.raises(az.MetadataError):
        await names(group, 0)


async def test_context_manager() -> None:
    async with az.create_group("memory://") as group:
        await group.create_array("x", **SPEC)
    with pytest.raises(az.StoreClosed):
        await group.get("x")
