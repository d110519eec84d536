"""LMDB environments: opened once a process, grown when they are full, and safe across a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, TypeVar

import lmdb

from ...errors import Forbidden, IntegrityError, QuotaExceeded, StoreClosed, Unavailable, Unsupported
from .table import Table

__all__ = ["Durability", "Environment", "acquire"]

T = TypeVar("T")

Durability: TypeAlias = Literal["full", "data", "none"]

_READERS = 512
_AS_IT_IS = 0  # the size of the map that another process has made larger
_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError)

_shared: dict[str, Environment] = {}
_lock = threading.Lock()
_of_parents: list[object] = []


def acquire(path: str, durability: Durability, map_size: int) -> Environment:
    """The environment of a folder, which all stores of this process share; each calls ``release`` once.

    Raises:
        Unsupported: it is open already with another durability.
    """
    real = os.path.realpath(path)
    with _lock:
        environment = _shared.get(real)
        if environment is None:
            environment = _shared[real] = Environment(real, durability, map_size)
        elif environment.durability != durability:
            raise Unsupported(f"it is open in this process with durability={environment.durability!r}")
        environment.users += 1
        return environment


class Environment:
    """One folder of LMDB. Transactions run in any thread, each within one call.

    LMDB forbids to change the size of the map while this process reads or writes, and to close it: both wait here until
    nothing does.

    Attributes:
        path: the folder.
        durability: see ``LMDBStore``.
        users: stores that have acquired it.
    """

    def __init__(self, path: str, durability: Durability, map_size: int) -> None:
        self.path = path
        self.durability = durability
        self.users: int = 0
        self._map_size = map_size
        self._state = threading.Condition()
        self._active = 0
        self._halted = False
        self._handle: lmdb.Environment | None = None
        self._tables: tuple[object, object] = (None, None)
        self._forked = self._released = False

    def read(self, work: Callable[[Table], T], absent: T) -> T:
        """Run `work` on one state of all keys; `absent` if there is no database yet. It must copy what it returns.

        Raises:
            StoreError: LMDB could not do it.
            OSError: the operating system could not.
        """
        if not self._open(create=False):
            return absent
        return self._run(work, write=False)

    def write(self, work: Callable[[Table], T]) -> T:
        """Run `work` and commit, or raise and change nothing. It is run again after the map has grown."""
        self._open(create=True)
        return self._run(work, write=True)

    def release(self) -> None:
        """Close it with its last user, when nothing uses it any more."""
        with _lock:
            self.users -= 1
            if self.users:
                return
            del _shared[self.path]
            with self._quiet():
                self._released = True
                self._close()

    def after_fork(self) -> None:
        """Forget the parent's handle, in a forked child: LMDB's locks and readers belong to a process."""
        self._state = threading.Condition()
        self._halted = False
        if self._active:  # closing it now would end the transactions of the parent
            self._forked, self._active = True, 0
            _of_parents.append(self._handle)
            self._handle = None
        else:
            self._close()

    def _run(self, work: Callable[[Table], T], *, write: bool) -> T:
        while True:
            with self._used() as handle:
                try:
                    with handle.begin(write=write, buffers=True) as transaction:
                        return work(Table(transaction, *self._tables))
                except (lmdb.MapFullError, lmdb.MapResizedError) as error:
                    size = handle.info()["map_size"]
                    wanted = 2 * size if isinstance(error, lmdb.MapFullError) else _AS_IT_IS
                except lmdb.Error as error:
                    raise _translated(error) from error
            self._resize(size, wanted)

    @contextmanager
    def _used(self) -> Iterator[lmdb.Environment]:
        with self._state:
            self._state.wait_for(lambda: not self._halted)
            handle = self._handle
            if handle is None:
                raise StoreClosed("the store is closed")
            self._active += 1
        try:
            yield handle
        finally:
            with self._state:
                self._active -= 1
                self._state.notify_all()

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Wait until no transaction runs, and let none begin meanwhile."""
        with self._state:
            self._halted = True
            try:
                self._state.wait_for(lambda: self._active == 0)
                yield
            finally:
                self._halted = False
                self._state.notify_all()

    def _resize(self, size: int, wanted: int) -> None:
        with self._quiet():
            if self._handle is not None and self._handle.info()["map_size"] == size:
                try:
                    self._handle.set_mapsize(wanted)
                except lmdb.Error as error:
                    raise QuotaExceeded(f"the database is full and cannot grow to {wanted} bytes") from error

    def _open(self, *, create: bool) -> bool:
        if self._handle is not None:
            return True
        if self._forked:
            raise Unsupported(
                "the process was forked in the middle of a transaction: start processes by 'spawn' or 'forkserver'"
            )
        with self._state:
            if self._released:
                raise StoreClosed("the store is closed")
            if self._handle is None:
                try:
                    self._connect(create)
                except FileNotFoundError:
                    return False
                except lmdb.Error as error:
                    raise _translated(error) from error
            return True

    def _connect(self, create: bool) -> None:
        if create:
            os.makedirs(self.path, exist_ok=True)  # noqa: PTH103 - the path is a string here
        else:
            os.stat(os.path.join(self.path, "data.mdb"))  # noqa: PTH116, PTH118 - the same
        readonly = not os.access(self.path, os.W_OK)
        handle = lmdb.open(
            self.path,
            map_size=self._map_size,
            max_dbs=2,
            max_readers=_READERS,
            create=create,
            readonly=readonly,
            sync=self.durability != "none",
            metasync=self.durability == "full",
        )
        try:
            values, names = (handle.open_db(name, create=not readonly) for name in (b"values", b"names"))
            handle.reader_check()  # the slots of killed readers keep old pages from being used again
        except BaseException:
            handle.close()
            raise
        self._tables = values, names
        self._handle = handle

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()


def _translated(error: lmdb.Error) -> Exception:
    reason = str(error)
    if isinstance(error, _DAMAGED):
        return IntegrityError(reason)
    if isinstance(error, lmdb.ReadonlyError):
        return Forbidden(reason)
    code = getattr(error, "code", 0)
    return OSError(code, reason) if code > 0 else Unavailable(reason)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for environment in _shared.values():
        environment.after_fork()


os.register_at_fork(after_in_child=_after_fork)
