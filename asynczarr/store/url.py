"""From what users write (URL, path, store) to a store, with an open registry of schemes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

from ..errors import KeyInvalid, Unsupported
from .base import Store
from .memory import MemoryStore

if TYPE_CHECKING:
    from .zip import ZipMode

__all__ = ["StoreFactory", "Where", "bucket_and_prefix", "local_path", "open_store", "register_scheme"]

Where: TypeAlias = "str | os.PathLike[str] | Store"


class StoreFactory(Protocol):
    """What a scheme is registered with: called with the whole URL and the options of :func:`open_store`."""

    def __call__(self, url: str, /, **options: Any) -> Store:
        """Make the store. `options` holds ``mode`` if the caller gave one."""
        ...


_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(//.*)", re.DOTALL).fullmatch
_HOST = re.compile(r"([^@:\[\]]*|\[[0-9A-Fa-f:.]*\])(?::[0-9]+)?").fullmatch
_MODES = ("r", "r+", "a", "w", "w-", "x")
_ZIP_MODES: dict[str | None, ZipMode] = {None: "r", "r": "r", "r+": "a", "a": "a", "w": "w", "w-": "x", "x": "x"}


def open_store(where: Where, *, mode: str | None = None, engine: str | None = None, **options: Any) -> Store:
    """Make a store of a URL or path; a store is returned as it is. Nothing is read or written yet.

    ``memory://`` (fresh) and ``memory://name`` (shared in this process), ``file:///folder``, ``zip:///file.zip``,
    plain paths (a zip archive if it ends in ``.zip``, else a folder), and every scheme that was registered by
    :func:`register_scheme` or by an installed package in the entry point group ``asynczarr.stores``.

    Args:
        where: URL, path or store.
        mode: ``"r"`` makes the store read-only; ``"r+"``, ``"a"``, ``"w"``, ``"w-"`` and ``"x"`` let it be written
            and never empty a folder. For zip archives it is the mode of the archive, ``"r"`` by default, ``"w"``
            replaces it and ``"x"`` or ``"w-"`` wants it absent.
        engine: ``"obstore"`` opens the URL by obstore instead of the store of its scheme.
        **options: arguments of the store.

    Raises:
        Unsupported: unknown scheme; options or a mode for a store that is open already.
        KeyInvalid: a URL with parts that are not understood or that could lead elsewhere.
        ValueError: unknown mode or engine.
    """
    if mode is not None and mode not in _MODES:
        raise ValueError(f"unknown mode {mode!r}: one of {', '.join(_MODES)}")
    if not isinstance(where, (str, os.PathLike)):
        if options:
            raise Unsupported(f"a store that is open already takes no options: {', '.join(options)}")
        return where
    if mode is not None:
        options["mode"] = mode
    text = os.fspath(where)
    if engine is not None:
        if engine not in _ENGINES:
            raise ValueError(f"unknown engine {engine!r}: one of {', '.join(_ENGINES)}")
        return _ENGINES[engine](text, **options)
    match = _URL(text) if isinstance(where, str) else None
    if match is None:
        if isinstance(where, str) and (text.startswith("file:") or "::" in text):
            raise Unsupported("write file:///folder; chained URLs are not understood", store=without_secrets(text))
        return _open_zip(text, **options) if text.lower().endswith(".zip") else _open_folder(text, **options)
    return _factory(match[1].lower(), text)(text, **options)


def register_scheme(scheme: str, factory: StoreFactory) -> None:
    """Open URLs of `scheme` by ``factory(url, **options)`` from now on, also in place of a built-in.

    Raises:
        ValueError: `scheme` is no URL scheme.
    """
    if not _URL(f"{scheme}://"):
        raise ValueError(f"not a URL scheme: {scheme!r}")
    _registered[scheme.lower()] = factory


def local_path(url: str) -> str:
    """The path in a ``file:///path`` or ``zip:///path``, percent-decoded once.

    Raises:
        KeyInvalid: it names a host, has a query or fragment, or a segment that decodes to ``..``, a separator or NUL.
    """
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise KeyInvalid(f"write {scheme}:/// and an absolute path", store=without_secrets(url))
    if "?" in path or "#" in path:
        raise KeyInvalid("write ? as %3F and # as %23 in a path", store=without_secrets(url))
    segments = [os.fsdecode(unquote_to_bytes(segment)) for segment in path.split("/")]
    if any(segment in (".", "..") or "/" in segment or "\\" in segment or "\0" in segment for segment in segments):
        raise KeyInvalid("'.', '..', encoded separators and NUL may not be in a URL", store=without_secrets(url))
    return "/" + "/".join(segments)


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Bucket and folder in a ``scheme://bucket/folder``, taken as they are.

    Raises:
        KeyInvalid: no bucket, a user or port in its place, or a query or fragment.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not bucket or "?" in url or "#" in url or not re.fullmatch(r"[A-Za-z0-9._\-]+", bucket):
        raise KeyInvalid("write scheme://bucket/folder", store=f"{scheme}://")
    return bucket, prefix


def without_secrets(url: str) -> str:
    """`url` without what may hold secrets: user, password, query, fragment.

    A password with a raw ``/``, ``?`` or ``#`` ends only at the last ``@``, wherever that is. So if an ``@`` follows
    the host and a ``:`` comes before it, ``***`` stands for all that may belong to one, a port included.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host, path = _split(rest, "/?#")
    before, at, after = rest.rpartition("@")
    if "@" not in path or ":" not in _split(before, "?#")[0]:
        return f"{scheme}://{host.rpartition('@')[2]}{_split(path, '?#')[0]}"
    plain = _HOST(host)
    known = f"{plain[1]}/" if plain else ""
    behind = "" if _split(before, "?#")[1] else at + _split(after, "?#")[0]  # which may be the rest of a query
    return f"{scheme}://{known}***{behind}"


def _split(text: str, marks: str) -> tuple[str, str]:
    """`text` before the first of some characters, and the rest with it."""
    found = re.search(f"[{marks}]", text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def _factory(scheme: str, url: str) -> StoreFactory:
    if scheme in _registered:
        return _registered[scheme]
    from importlib.metadata import entry_points  # slow, and needed for foreign schemes only

    found = entry_points(group="asynczarr.stores")
    for entry in found:
        if entry.name.lower() == scheme:
            factory: StoreFactory = entry.load()
            _registered[scheme] = factory
            return factory
    known = sorted({*_registered, *found.names})
    raise Unsupported(f"no store is registered for {scheme}:// (known: {', '.join(known)})", store=without_secrets(url))


def _open_memory(url: str, /, *, mode: str | None = None, **options: Any) -> Store:
    return MemoryStore(url.partition("://")[2], read_only=mode == "r", **options)


def _open_folder(path: str, /, *, mode: str | None = None, **options: Any) -> Store:
    from .filesystem import FilesystemStore

    return FilesystemStore(path, read_only=mode == "r", **options)


def _open_zip(path: str, /, *, mode: str | None = None, **options: Any) -> Store:
    from .zip import ZipStore

    return ZipStore(path, mode=_ZIP_MODES[mode], **options)


def _later(module: str, name: str) -> StoreFactory:
    """A network store: its module, and the libraries that it needs, are loaded when its scheme is first used."""

    def factory(url: str, /, *, mode: str | None = None, **options: Any) -> Store:
        kind = getattr(import_module(f".{module}", __package__), name)
        store: Store = kind.from_url(url, read_only=mode == "r", **options)
        return store

    return factory


def _of_path(make: Callable[..., Store]) -> StoreFactory:
    def factory(url: str, /, **options: Any) -> Store:
        return make(local_path(url), **options)

    return factory


_registered: dict[str, StoreFactory] = {
    "memory": _open_memory,
    "file": _of_path(_open_folder),
    "zip": _of_path(_open_zip),
    **dict.fromkeys(("http", "https"), _later("http", "HTTPStore")),
    **{
        f"kerchunk+{scheme}": _later("kerchunk", "ReferenceStore")
        for scheme in ("file", "http", "https", "s3", "gs", "az")
    },
    **dict.fromkeys(("s3", "s3a"), _later("s3", "S3Store")),
    **dict.fromkeys(("gs", "gcs"), _later("gcs", "GCSStore")),
    **dict.fromkeys(("az", "abfs", "abfss"), _later("azure", "AzureStore")),
    "lmdb": _later("lmdb", "LMDBStore"),
    **dict.fromkeys(("mongodb", "mongodb+srv"), _later("mongodb", "MongoStore")),
    **dict.fromkeys(("redis", "rediss", "unix"), _later("redis", "RedisStore")),
}
_ENGINES: dict[str, StoreFactory] = {"obstore": _later("obstore", "ObstoreStore")}
