"""Kerchunk references: read like any store, and never further than allowed."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

import asynczarr as az
from asynczarr import errors
from asynczarr.store import MemoryStore, ReferenceStore, open_store
from asynczarr.store.kerchunk.document import parse
from asynczarr.testing import HOSTILE_KEYS, HOSTILE_PREFIXES
from asynczarr.types import ByteRange

from .scripted_http import Reply, ScriptedServer

DATA = bytes(range(200))


def write(folder, refs, **more):
    """A document and the file that it refers to."""
    (folder / "data.bin").write_bytes(DATA)
    document = folder / "refs.json"
    document.write_text(json.dumps({"version": 1, "refs": refs, **more}))
    return document


@pytest.fixture
def document(tmp_path):
    refs = {
        ".zgroup": '{"zarr_format": 2}',
        ".zattrs": {"title": "an object in place of a text"},
        "inline": "base64:" + base64.b64encode(DATA).decode(),
        "whole": ["data.bin"],
        "part": ["data.bin", 50, 100],
        "template": ["{{f}}.bin", 50, 100],
        "a/b/c": "x",
        "a/d": "",
        "a/../evil": "never listed",
    }
    return write(tmp_path, refs, templates={"f": "data"})


async def test_every_verb(document):
    values = {
        ".zgroup": b'{"zarr_format": 2}',
        ".zattrs": b'{"title": "an object in place of a text"}',
        "inline": DATA,
        "whole": DATA,
        "part": DATA[50:150],
        "template": DATA[50:150],
        "a/b/c": b"x",
        "a/d": b"",
    }
    ends = (0, 1, 50, 99, 100, 101, 1000)
    parts = [ByteRange(start, stop) for start in ends for stop in (*ends, None) if stop is None or start <= stop]
    parts += [ByteRange(-length) for length in ends[1:]]
    async with ReferenceStore(document) as store:
        assert not store.capabilities.write
        for key, value in values.items():
            assert bytes(await store.get(key)) == value
            assert (await store.head(key)).size == len(value)
            for part in parts:
                assert bytes(await store.get(key, part)) == value[part.start : part.stop], (key, part)
            found = await store.get_ranges(key, parts)
            assert [bytes(data) for data in found.data] == [value[part.start : part.stop] for part in parts]
            assert (found.version, found.size) == (None, len(value))
        assert await store.get("missing") is await store.head("missing") is None
        assert await store.get_ranges("missing", parts) is None
        assert [key async for key in store.list()] == sorted(values)
        assert [key async for key in store.list("a/")] == ["a/b/c", "a/d"]
        assert [name async for name in store.list_dir("a/")] == ["b/", "d"]
        for call in (
            store.set("k", b"x"),
            store.delete("part"),
            store.delete_many(["part"]),
            store.get_ranges("part", parts, if_version="1"),
        ):
            with pytest.raises(errors.Unsupported):
                await call
        for key in HOSTILE_KEYS:
            with pytest.raises(errors.KeyInvalid):
                await store.get(key)
        for prefix in HOSTILE_PREFIXES:
            with pytest.raises(errors.KeyInvalid):
                await anext(store.list(prefix))
    for call in (store.get("part"), anext(store.list())):
        with pytest.raises(errors.StoreClosed):
            await call
    assert store.url == f"kerchunk+{document.as_uri()}"


async def test_urls_and_plain_mappings(document):
    async with open_store(f"kerchunk+{document.as_uri()}") as store:
        assert bytes(await store.get("part")) == DATA[50:150]
    async with ReferenceStore({"k": "text", "f": ["memory://x/y"]}) as store:  # version 0
        assert await store.get("k") == b"text"
        with pytest.raises(errors.Forbidden):
            await store.get("f")
    memory = MemoryStore()
    await memory.set("deep/y", b"there")
    async with ReferenceStore({"f": ["s3://bucket/x/deep/y", 1, 3]}, targets={"s3://bucket/x": memory}) as store:
        assert bytes(await store.get("f")) == b"her"
    assert bytes(await memory.get("deep/y")) == b"there"  # a store that was given stays open


async def test_a_missing_file_is_no_missing_chunk(tmp_path):
    document = write(tmp_path, {"gone": ["gone.bin", 0, 10], "all": ["gone.bin"], "short": ["data.bin", 150, 100]})
    async with ReferenceStore(document) as store:
        for call in (store.get("gone"), store.get("all"), store.head("all"), store.get_ranges("gone", [ByteRange(1)])):
            with pytest.raises(errors.NotFound) as caught:
                await call
            assert caught.value.key in ("gone", "all")
        assert (await store.head("gone")).size == 10
        for call in (store.get("short"), store.get_ranges("short", [ByteRange(0, 1), ByteRange(-1)])):
            with pytest.raises(errors.Truncated):
                await call
        assert bytes(await store.get("short", ByteRange(0, 50))) == DATA[150:]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("/etc/hostname", errors.Forbidden),
        ("file:///etc/hostname", errors.Forbidden),
        ("FILE://localhost/etc/hostname", errors.Forbidden),
        ("../secret", errors.Forbidden),
        ("a/../../secret", errors.Forbidden),
        ("file:///etc/%2e%2e/hostname", errors.KeyInvalid),
        ("file://host/etc/hostname", errors.KeyInvalid),
        ("http://127.0.0.1:1/secret", errors.Forbidden),
        ("s3://bucket/secret", errors.Forbidden),
        ("http://user:hidden@host/secret", errors.KeyInvalid),
        ("https:///secret", errors.KeyInvalid),
        ("link", errors.Forbidden),
        ("https://allowed/data/../secret", errors.KeyInvalid),
        ("https://allowed/database", errors.Forbidden),
        ("https://allowed.evil/data/x", errors.Forbidden),
        ("https://allowed@evil/data/x", errors.KeyInvalid),
        ("https://allowed/data/%2e%2e/secret", errors.KeyInvalid),
        ("https://allowed/data/x%2f..%2fsecret", errors.KeyInvalid),
        ("https://allowed/data/x?redirect=1", errors.KeyInvalid),
        ("https://allowed/data/", errors.KeyInvalid),
        ("", errors.Forbidden),
    ],
)
async def test_references_lead_nowhere_else(tmp_path, url, error):
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    document = write(folder, {"k": [url], "part": [url, 0, 3]})
    async with ReferenceStore(document, targets={"https://allowed/data": {}}) as store:
        for call in (store.get("k"), store.get("part"), store.get_ranges("part", [ByteRange(0, 2)]), store.head("k")):
            with pytest.raises(errors.AsyncZarrError) as caught:
                await call
            assert type(caught.value) is error, caught.value
            assert "hidden" not in str(caught.value)


async def test_remote_documents_stay_on_their_host(tmp_path):
    (tmp_path / "local").write_bytes(b"local")

    def script(request):
        path = request.target.partition("?")[0]
        if path == "/dir/refs.json":
            refs = {
                "near": ["data.bin", 2, 3],
                "same host": [f"http://{request.headers['host']}/other/data.bin", 2, 3],
                "other host": ["http://127.0.0.1:9/data.bin", 2, 3],
                "local": [str(tmp_path / "local")],
                "file": [(tmp_path / "local").as_uri()],
            }
            return Reply(200, json.dumps(refs).encode())
        return Reply(206, DATA[2:5], {"Content-Range": "bytes 2-4/200"})

    async with ScriptedServer(script) as server:
        async with ReferenceStore(f"{server.url}/dir/refs.json?sig=hidden") as store:
            assert "hidden" not in store.url + repr(store)
            assert bytes(await store.get("near")) == bytes(await store.get("same host")) == DATA[2:5]
            for key in ("other host", "local", "file"):
                with pytest.raises(errors.Forbidden) as caught:
                    await store.get(key)
                assert "hidden" not in str(caught.value)
        targets = [request.target for request in server.requests]
        assert targets == [
            "/dir/refs.json?sig=hidden",
            "/dir/data.bin?sig=hidden",
            "/other/data.bin?sig=hidden",
        ]
        async with ReferenceStore(f"{server.url}/dir/refs.json", targets={tmp_path.as_uri(): {}}) as store:
            assert bytes(await store.get("local")) == bytes(await store.get("file")) == b"local"


@pytest.mark.parametrize(
    "entry",
    [
        5, True, [], [5], ["data.bin", 0], ["data.bin", -1, 5], ["data.bin", 0, -5], ["data.bin", 0, 2**63],
        ["data.bin", 0.5, 5], ["data.bin", True, 5], ["data.bin", "0", "5"], ["data.bin", 0, 5, 6], [None, 0, 5],
        "base64:not base64!", "base64:é", ["{{ nothing }}"], ["{{f(x=1)}}"], ["{{ f * 2 }}"], ["{% raw %}{{f}}"],
        ["{{nested}}"],
    ],
)  # fmt: skip
async def test_entries_that_are_no_references(tmp_path, entry):
    templates = {"f": "data", "nested": "{{f}}"}
    async with ReferenceStore(write(tmp_path, {"k": entry, "good": "x"}, templates=templates)) as store:
        for call in (store.get("k"), store.head("k"), store.get_ranges("k", [ByteRange(0, 1)])):
            with pytest.raises(errors.MetadataError) as caught:
                await call
            assert caught.value.key == "k"
        assert await store.get("good") == b"x"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"null", b"{", b'{"version": 2, "refs": {}}', b'{"version": 1}', b'{"version": 1, "refs": []}',
        b'{"version": 1, "refs": {}, "templates": 5}', b'{"version": 1, "refs": {}, "gen": [{"key": "{{i}}"}]}',
        b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
async def test_documents_that_are_none(tmp_path, text):
    (tmp_path / "refs.json").write_bytes(text)
    async with ReferenceStore(tmp_path / "refs.json") as store:
        for call in (store.get("k"), anext(store.list())):
            with pytest.raises(errors.MetadataError) as caught:
                await call
            assert caught.value.store == store.url


async def test_documents_that_are_missing_or_too_large(tmp_path):
    async with ReferenceStore(tmp_path / "refs.json") as store:
        with pytest.raises(errors.NotFound):
            await store.get("k")
    async with ReferenceStore(write(tmp_path, {"k": "x" * 1000}), max_bytes=1000) as store:
        with pytest.raises(errors.MetadataError, match="more than 1000 bytes"):
            await store.get("k")
    for where in ("", "https://host", "https://host/dir/", "s3://bucket"):
        with pytest.raises(errors.KeyInvalid):
            ReferenceStore(where)


def test_templates_are_not_evaluated():
    text = {"version": 1, "refs": {"k": ["{{ ''.__class__ }}"]}}
    with pytest.raises(errors.MetadataError, match="not evaluated"):
        parse(text).find("k")


async def test_an_array_over_a_file_that_is_no_zarr(tmp_path):
    """A raw array behind a header, as kerchunk would describe a netCDF 3 or FITS file."""
    values = np.arange(600, dtype=">f4").reshape(20, 30)
    (tmp_path / "raw.dat").write_bytes(b"header..." + values.tobytes())
    metadata = {
        "zarr_format": 2, "shape": [20, 30], "chunks": [5, 30], "dtype": ">f4", "compressor": None, "filters": None,
        "fill_value": 0, "order": "C",
    }  # fmt: skip
    refs = {".zgroup": '{"zarr_format": 2}', "v/.zarray": json.dumps(metadata)}
    refs |= {f"v/{row}.0": ["raw.dat", 9 + row * 600, 600] for row in range(3)}  # the last rows are missing
    (tmp_path / "refs.json").write_text(json.dumps({"version": 1, "refs": refs}))
    expected = values.copy()
    expected[15:] = 0
    async with az.open_group(f"kerchunk+{(tmp_path / 'refs.json').as_uri()}") as group:
        assert [path async for path, _ in group.members()] == ["v"]
        array = await group.get_array("v")
        assert np.array_equal(await array.read(), expected)
        assert np.array_equal(await array[3:9, ::4].read(), expected[3:9, ::4])
    await az.copy(ReferenceStore(tmp_path / "refs.json"), tmp_path / "copy.zarr", source_path="v")
    async with az.open_array(tmp_path / "copy.zarr") as array:
        assert np.array_equal(await array.read(), expected)


async def test_against_fsspec(tmp_path, document):
    reference = pytest.importorskip("fsspec.implementations.reference")
    keys = [".zgroup", "inline", "whole", "part", "template", "a/b/c", "a/d"]
    text = json.loads(document.read_text())
    for entry in text["refs"].values():
        if isinstance(entry, list):
            entry[0] = f"{tmp_path}/{entry[0]}"
    theirs = reference.ReferenceFileSystem(text, remote_protocol="file", skip_instance_cache=True)
    async with ReferenceStore(document) as store:
        for key in keys:
            assert bytes(await store.get(key)) == theirs.cat(key), key


def test_schemes():
    store = open_store("kerchunk+https://host/dir/refs.json")
    assert isinstance(store, ReferenceStore)
    assert store.url == "kerchunk+https://host/dir/refs.json"
