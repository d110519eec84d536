"""From URL or path to a store, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asynczarr.errors import AlreadyExists, KeyInvalid, Unsupported
from asynczarr.store import FilesystemStore, MemoryStore, ZipStore, open_store, register_scheme
from asynczarr.store import url as url_module


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(url_module, "_registered", dict(url_module._registered))


async def test_paths_and_urls_of_one_folder(tmp_path, monkeypatch):
    folder = tmp_path / "my data é#?.zarr"
    await open_store(folder).set("k", b"x")
    monkeypatch.chdir(tmp_path)
    for where in (str(folder), folder.as_uri(), folder.as_uri().replace("file://", "FILE://localhost"), folder.name):
        store = open_store(where)
        assert isinstance(store, FilesystemStore)
        assert bytes(await store.get("k")) == b"x", where
        assert store.url == folder.as_uri()
        assert open_store(store.url).url == store.url


async def test_zip_paths_and_urls(tmp_path):
    path = tmp_path / "my data.zip"
    async with open_store(path, mode="w") as store:
        await store.set("k", b"x")
    for where in (path, str(path), "zip" + path.as_uri().removeprefix("file")):
        store = open_store(where)
        assert isinstance(store, ZipStore)
        assert bytes(await store.get("k")) == b"x"
        assert open_store(store.url).url == store.url
        await store.aclose()


async def test_modes(tmp_path):
    path = tmp_path / "store.zip"
    assert not open_store(path).capabilities.write
    assert not open_store(path, mode="r").capabilities.write
    assert open_store(path, mode="r+").capabilities.write
    async with open_store(path, mode="a") as store:
        await store.set("k", b"x")
    for mode in ("x", "w-"):
        with pytest.raises(AlreadyExists):
            await open_store(path, mode=mode).get("k")
    folder = tmp_path / "folder"
    assert not open_store(folder, mode="r").capabilities.write
    await open_store(folder, mode="a").set("k", b"x")
    assert bytes(await open_store(folder, mode="w").get("k")) == b"x"  # opening never empties a folder
    with pytest.raises(ValueError, match="unknown mode"):
        open_store(folder, mode="rw")


def test_a_store_is_returned_as_it_is():
    store = MemoryStore()
    assert open_store(store) is store
    assert open_store(store, mode="r") is store
    with pytest.raises(Unsupported, match="durability"):
        open_store(store, durability="none")


def test_options_reach_the_store(tmp_path):
    assert open_store(tmp_path, max_threads=3)._threads._limit == 3
    with pytest.raises(TypeError):
        open_store(tmp_path, no_such_option=1)


@pytest.mark.parametrize(
    "url",
    [
        "file:///data/%2e%2e/etc",
        "file:///data/..",
        "file:///data/./x",
        "file:///data/%2E./etc",
        "file:///data/..%2fetc",
        "file:///data/a%2fb",
        "file:///data/a%5cb",
        "file:///data/a\\b",
        "file:///data/%00",
        "file:///data?x=1",
        "file:///data#frag",
        "file://host/data",
        "file://",
        "zip://relative.zip",
        "zip:///a/%2e%2e/b.zip",
    ],
)
def test_urls_that_could_lead_elsewhere(url):
    with pytest.raises(KeyInvalid):
        open_store(url)


def test_percent_encoding_is_decoded_once(tmp_path):
    assert open_store(f"file://{tmp_path}/%252e%252e").root == f"{tmp_path}/%2e%2e"


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("nonsense://x", "known: "),
        ("file:relative", "file:///"),
        ("zip::s3://bucket/x.zip", "chained"),
    ],
)
def test_unknown_schemes_say_what_is_missing(url, advice):
    with pytest.raises(Unsupported) as caught:
        open_store(url)
    assert advice in str(caught.value)


def test_secrets_are_not_repeated():
    with pytest.raises(Unsupported) as caught:
        open_store("nonsense://user:hunter2@host/path?token=hunter2#hunter2")
    assert "nonsense://host/path" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    with pytest.raises(KeyInvalid) as refused:
        open_store("file://user:hunter2@host/path")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "password",
    ["hunter2/x", "hunter2?x", "hunter2#x", "/hunter2", "hun@ter2/x", "12/hunter2", "12?hunter2", "1@2/hunter2"],
)
@pytest.mark.parametrize(
    "scheme", ["https", "nonsense", "gs", "az", "redis", "mongodb", "kerchunk+https", "zip::https"]
)
def test_passwords_with_raw_separators_are_not_repeated(scheme, password):
    try:
        said = repr(open_store(f"{scheme}://user:{password}@host/data?sig=hunter2"))
    except (KeyInvalid, Unsupported) as error:
        said = str(error) + repr(error)
    assert "hunter2" not in said
    assert "12" not in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@host:80/data?q=1#f", "https://host:80/data"),
        ("https://token@host/a?q=x:y@z", "https://host/a"),
        ("https://host:80/a?q=1", "https://host:80/a"),
        ("s3://bucket/key@v2", "s3://bucket/key@v2"),
        ("https://host/a@b/c?X-Amz-Signature=secret", "https://host/a@b/c"),
        ("https://host/o?GoogleAccessId=a@b&Signature=secret", "https://host/o"),
        ("http://[::1]:9000/a", "http://[::1]:9000/a"),
        # It could be a password, from the colon to the last "@".
        ("http://localhost:9000/run@2/x?sig=secret", "http://localhost/***@2/x"),
        ("http://[::1]:9000/a@b", "http://[::1]/***@b"),
        ("https://host/a:b@c", "https://host/***@c"),
        ("https://host:80/a?q=x@y&sig=secret", "https://host/***"),
        ("https://user:pw@host/a@b", "https://***@b"),
        ("https://user:p/w@host/data", "https://***@host/data"),
        ("https://user:p?w@host/data", "https://***"),
        ("zip://a.zip::https://user:pw@host/x", "zip://***@host/x"),
        ("not a URL: a@b", "not a URL: a@b"),
    ],
)
def test_what_is_shown_of_a_url(url, shown):
    assert url_module.without_secrets(url) == shown


def test_own_schemes():
    seen = []

    def factory(url, /, **options):
        seen.append((url, options))
        return MemoryStore()

    register_scheme("My-Scheme", factory)
    store = open_store("my-scheme://a@b/c?d", mode="a", depth=3)
    assert isinstance(store, MemoryStore)
    assert seen == [("my-scheme://a@b/c?d", {"mode": "a", "depth": 3})]
    with pytest.raises(ValueError, match="not a URL scheme"):
        register_scheme("no scheme", factory)


def test_schemes_of_installed_packages(tmp_path, monkeypatch):
    package = tmp_path / "site"
    info = package / "someone_elses-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someone-elses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asynczarr.stores]\nelsewhere = someone_elses:make\n")
    (package / "someone_elses.py").write_text(
        "from asynczarr.store import MemoryStore\ndef make(url, /, **options):\n    return MemoryStore(url[-4:])\n"
    )
    monkeypatch.syspath_prepend(package)
    assert open_store("elsewhere://name").url == "memory://name"
    with pytest.raises(Unsupported, match="elsewhere"):
        open_store("nowhere://name")


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = "import sys, asynczarr.store as s; s.open_store('memory://'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"zipfile", "pytest", "importlib.metadata", "asynczarr.store.zip", "asynczarr.store.filesystem"} & {
        *loaded
    }


def test_a_path_object_is_never_a_url(tmp_path):
    store = open_store(Path(tmp_path / "s3:" / "bucket"))
    assert store.root == f"{tmp_path}/s3:/bucket"
