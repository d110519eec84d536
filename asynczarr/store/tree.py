"""Walks through the folders of a root. Every function blocks.

What is listed is what ``get`` does not call missing: files, links, and also FIFOs and links out of the root, which
``get`` then refuses, so that nothing vanishes in silence. Not listed: temporary files, links to nowhere, and names
that no key may have.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from ..errors import Forbidden
from .beneath import Root
from .keys import is_temporary, is_valid_key
from .oserrors import MISSING

__all__ = ["names_in", "sweep", "walk"]

_Folders = frozenset[tuple[int, int]]  # device and inode of the folders above, against links that lead in circles


def walk(root: Root, prefix: str) -> Iterator[str]:
    """All keys that start with `prefix`, folder by folder."""
    return _walk(root, prefix, frozenset())


def names_in(root: Root, prefix: str) -> Iterator[str]:
    """Keys and prefixes (with a final ``/``) directly in the folder `prefix`."""
    for name, is_folder in _entries(root, prefix):
        if not is_folder:
            yield name
        elif next(walk(root, f"{prefix}{name}/"), None) is not None:
            yield f"{name}/"


def sweep(root: Root, older_than: float) -> int:
    """Remove temporary files that were last changed more than `older_than` seconds ago; return their number."""
    limit = time.time() - older_than
    removed = 0
    folders = [""]
    while folders:
        path = folders.pop()
        with suppress(FileNotFoundError), root.folder(path) as fd, os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/{entry.name}" if path else entry.name)
                elif is_temporary(entry.name) and entry.stat(follow_symlinks=False).st_mtime < limit:
                    os.unlink(entry.name, dir_fd=fd)
                    removed += 1
    return removed


def _walk(root: Root, prefix: str, above: _Folders) -> Iterator[str]:
    here = _identity(root, prefix)
    if here is None or here in above:
        return
    for name, is_folder in _entries(root, prefix):
        if is_folder:
            yield from _walk(root, f"{prefix}{name}/", above | {here})
        else:
            yield prefix + name


def _identity(root: Root, prefix: str) -> tuple[int, int] | None:
    try:
        with root.folder(prefix[:-1]) as fd:
            status = os.fstat(fd)
    except OSError as error:
        if error.errno in MISSING:
            return None
        raise
    return status.st_dev, status.st_ino


def _entries(root: Root, prefix: str) -> Iterator[tuple[str, bool]]:
    """Names in a folder that a key may have, and whether each is a folder."""
    try:
        with root.folder(prefix[:-1]) as fd, os.scandir(fd) as entries:
            for entry in entries:
                if not is_valid_key(prefix + entry.name):
                    continue
                if entry.is_symlink():
                    is_folder = _target_is_folder(root, prefix + entry.name)
                    if is_folder is not None:
                        yield entry.name, is_folder
                else:
                    yield entry.name, entry.is_dir()
    except OSError as error:
        if error.errno not in MISSING:
            raise


def _target_is_folder(root: Root, path: str) -> bool | None:
    """Whether a link leads to a folder inside the root; ``None`` if it leads nowhere."""
    try:
        with root.folder(path):
            return True
    except Forbidden:
        return False
    except OSError:
        pass
    try:
        return stat.S_ISDIR(os.stat(f"{root.path}/{path}").st_mode)  # noqa: PTH116 - text paths throughout
    except OSError as error:
        return None if error.errno in MISSING else False
