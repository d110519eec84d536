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

__all__ = ["StoreFactory", "Where", "local_path", "open_store", "register_scheme"]

Where: TypeAlias = "str | os.PathLike[str] | Store"


class StoreFactory(Protocol):
    """What a scheme is registered with: called with the whole URL and the options of :func:`open_store`."""

    def __call__(self, url: str, /, **options: Any) -> Store:
        """Make the store. `options` holds ``mode`` if the caller gave one."""
        ...


_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(//.*)", re.DOTALL).fullmatch
_MODES = ("r", "r+", "a", "w", "w-", "x")
_ZIP_MODES: dict[str | None, ZipMode] = {None: "r", "r": "r", "r+": "a", "a": "a", "w": "w", "w-": "x", "x": "x"}
_ADVICE: dict[str, str] = dict.fromkeys(("s3", "s3a"), "an S3 backend: pip install 'asynczarr[s3]'")
_ADVICE |= dict.fromkeys(("gs", "gcs"), "a Google Cloud Storage backend: pip install 'asynczarr[gcs]'")
_ADVICE |= dict.fromkeys(("az", "abfs", "abfss", "adl"), "an Azure backend: pip install 'asynczarr[azure]'")
_ADVICE |= dict.fromkeys(("http", "https"), "an HTTP backend: pip install 'asynczarr[http]'")


def open_store(where: Where, *, mode: str | None = None, **options: Any) -> Store:
    """Make a store of a URL or path; a store is returned as it is. Nothing is read or written yet.

    ``memory://`` (fresh) and ``memory://name`` (shared in this process), ``file:///folder``, ``zip:///file.zip``,
    plain paths (a zip archive if it ends in ``.zip``, else a folder), and every scheme that was registered by
    :func:`register_scheme` or by an installed package in the entry point group ``asynczarr.stores``.

    Args:
        where: URL, path or store.
        mode: ``"r"`` makes the store read-only; ``"r+"``, ``"a"``, ``"w"``, ``"w-"`` and ``"x"`` let it be written
            and never empty a folder. For zip archives it is the mode of the archive, ``"r"`` by default, ``"w"``
            replaces it and ``"x"`` or ``"w-"`` wants it absent.
        **options: arguments of the store.

    Raises:
        Unsupported: unknown scheme; options or a mode for a store that is open already.
        KeyInvalid: a URL with parts that are not understood or that could lead elsewhere.
        ValueError: unknown mode.
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


def without_secrets(url: str) -> str:
    """`url` without what may hold secrets: user, password, query, fragment."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else url


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
    advice = f"; it needs {_ADVICE[scheme]}" if scheme in _ADVICE else ""
    raise Unsupported(
        f"no store is registered for {scheme}://{advice} (known: {', '.join(known)})", store=without_secrets(url)
    )


def _open_memory(url: str, /, *, mode: str | None = None, **options: Any) -> Store:
    return MemoryStore(url.partition("://")[2], read_only=mode == "r", **options)


def _open_folder(path: str, /, *, mode: str | None = None, **options: Any) -> Store:
    from .filesystem import FilesystemStore

    return FilesystemStore(path, read_only=mode == "r", **options)


def _open_zip(path: str, /, *, mode: str | None = None, **options: Any) -> Store:
    from .zip import ZipStore

    return ZipStore(path, mode=_ZIP_MODES[mode], **options)


def _of_path(make: Callable[..., Store]) -> StoreFactory:
    def factory(url: str, /, **options: Any) -> Store:
        return make(local_path(url), **options)

    return factory


def _later(module: str, name: str) -> StoreFactory:
    """A factory in a module of this package that is loaded when it is first called."""

    def factory(url: str, /, **options: Any) -> Store:
        store: Store = getattr(import_module(module, __package__), name)(url, **options)
        return store

    return factory


_registered: dict[str, StoreFactory] = {
    "memory": _open_memory,
    "file": _of_path(_open_folder),
    "zip": _of_path(_open_zip),
    "lmdb": _later(".lmdb", "open_lmdb"),
    **dict.fromkeys(("mongodb", "mongodb+srv"), _later(".mongodb", "open_mongodb")),
    **dict.fromkeys(("redis", "rediss", "unix"), _later(".redis", "open_redis")),
}
