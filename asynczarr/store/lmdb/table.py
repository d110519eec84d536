"""Keys and records in a transaction of LMDB.

LMDB's keys have at most 511 bytes, ours up to 1024. A longer one is stored as its first 478 bytes, a byte that no UTF-8
text holds, and its SHA-256; its full text stands in a second table. So keys still sort by their beginning, and a prefix
is still one run of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import AlreadyExists
from ...types import Version
from ..conditions import expect
from ..record import VERSION

if TYPE_CHECKING:
    from lmdb import Transaction

__all__ = ["KEPT", "Table"]

KEPT = 478
"""Bytes of a long key that keep their place in the order."""

_LONGEST = 511
_PAGE = 1000


class Table:
    """All records, within one transaction.

    Args:
        transaction: a transaction that hands out views; nothing read here may outlive it.
        values: handle of the table of records.
        names: handle of the table of long keys.
    """

    def __init__(self, transaction: Transaction[memoryview], values: Any, names: Any) -> None:
        self._transaction = transaction
        self._values = values
        self._names = names

    def find(self, key: str) -> memoryview | None:
        """The record of a key."""
        return self._transaction.get(_stored(key), db=self._values)

    def put(self, key: str, record: bytes, *, create: bool, if_version: Version | None) -> None:
        """Store a record, on a condition if one is given."""
        known = self.find(key)
        if create and known is not None:
            raise AlreadyExists("the key exists")
        expect(_version(known), if_version)
        stored, name = _stored(key), key.encode()
        if stored != name:
            self._transaction.put(stored, name, db=self._names)
        self._transaction.put(stored, record, db=self._values)

    def remove(self, key: str, *, if_version: Version | None = None) -> None:
        """Remove a record, if there is one."""
        expect(_version(self.find(key)), if_version)
        stored = _stored(key)
        self._transaction.delete(stored, db=self._values)
        self._transaction.delete(stored, db=self._names)

    def keys(self, prefix: str, start: bytes) -> tuple[Sequence[str], bytes | None]:
        """A page of the keys below `prefix`, from the stored key `start` on, and where the next page starts."""
        page: list[str] = []
        for stored, key in self._below(prefix, start):
            if len(page) == _PAGE:
                return page, stored
            page.append(key)
        return page, None

    def children(self, prefix: str, start: bytes) -> tuple[Sequence[str], bytes | None]:
        """The same of the names directly below `prefix`. Subtrees are jumped over; long names may come twice."""
        page: list[str] = []
        jump: bytes | None = start
        while jump is not None:
            names, jump = self._below(prefix, jump), None
            for stored, key in names:
                if len(page) == _PAGE:
                    return page, stored
                name, slash, _ = key[len(prefix) :].partition("/")
                page.append(name + slash)
                # "0" is the character after "/": the first key beyond the subtree.
                beyond = f"{prefix}{name}0".encode()
                if slash and len(beyond) <= KEPT:
                    jump = beyond
                    break
        return page, None

    def _below(self, prefix: str, start: bytes) -> Iterator[tuple[bytes, str]]:
        lowest = prefix.encode()[:KEPT]
        with self._transaction.cursor(db=self._values) as cursor:
            if not cursor.set_range(max(start, lowest) or b"\0"):
                return
            for view in cursor.iternext(keys=True, values=False):
                stored = bytes(view)
                if not stored.startswith(lowest):
                    return
                key = self._name(stored)
                if key.startswith(prefix):
                    yield stored, key

    def _name(self, stored: bytes) -> str:
        if stored[KEPT : KEPT + 1] != b"\xff":
            return stored.decode()
        name = self._transaction.get(stored, db=self._names)
        assert name is not None, "a long key is written together with its name"
        return bytes(name).decode()


def _stored(key: str) -> bytes:
    name = key.encode()
    return name if len(name) <= _LONGEST else name[:KEPT] + b"\xff" + hashlib.sha256(name).digest()


def _version(record: memoryview | None) -> Version | None:
    return None if record is None else bytes(record[VERSION]).hex()
