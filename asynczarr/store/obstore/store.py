"""Any store of obstore (S3, GCS, Azure, HTTP, a folder, memory) as ours; a second engine for the same URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ...errors import (
    AlreadyExists,
    NotFound,
    PreconditionFailed,
    StoreError,
    Unsupported,
)
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..conditions import one_condition
from ..extras import extra
from ..fileio import flat_view, frozen
from ..guarded import GuardedStore, Place
from ..keys import is_valid_key
from ..network.pinned import Reading, read_ranges
from ..network.together import together
from .answers import attributes_of, condition, metadata_of, reading, version_of
from .errors import PastTheEnd, Unranged, is_missing, obstore_error
from .opening import CLOUDS, address, capabilities, make_store, service
from .process import check_process

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, ListStream, ObjectMeta, PutMode
    from obstore.store import ObjectStore

__all__ = ["ObstoreStore"]

T = TypeVar("T")

_ALL = ByteRange()
_PAGE = 1000
_AT_ONCE = 32  # requests of one call


class ObstoreStore(GuardedStore):
    """A store of obstore. `capabilities` follow from its kind.

    Args:
        store: made by obstore. Give it ``retry_config={"max_retries": 0}``: retries are middleware here.
        read_only: refuse writes (``Unsupported``).

    Raises:
        Unsupported: obstore is not installed.
    """

    def __init__(self, store: ObjectStore, *, read_only: bool = False) -> None:
        self._url = address(store)
        self._service = service(store)
        with extra("obstore", store=self._url):
            import obstore.exceptions
        self._obstore, self._store = obstore, store
        # Python's own are what obstore raises besides its own: also for what the service cannot do.
        self._errors = (obstore.exceptions.BaseError, NotImplementedError, OSError, ValueError)
        self._capabilities = capabilities(store, read_only=read_only)
        kind = type(store).__name__
        self._suffix = kind != "AzureStore"  # the service has no suffix ranges
        self._batch = kind in ("S3Store", "MemoryStore")  # where a batch may hold missing keys
        self._local, self._s3, self._cloud = kind == "LocalStore", kind == "S3Store", kind in CLOUDS
        self._flat = frozen if kind == "MemoryStore" else flat_view  # memory keeps the buffer that it is given

    @property
    def service(self) -> str:
        """Address of a service that counts the requests to all its buckets together; empty where each has its own."""
        return self._service

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = False, **options: Any) -> Self:
        """Make the store of obstore as well, with its own retries off.

        Args:
            url: anything that obstore knows: ``s3://``, ``gs://``, ``az://``, ``http(s)://``, ``file://``, ``memory://``.
            read_only: refuse writes.
            **options: ``anonymous=True`` sends no credentials, ``verify=False`` checks no certificates; all others are
                those of obstore (``endpoint``, ``region``, ``credential_provider``, ``client_options``, ...).
        """
        with extra("obstore", store=url.partition("?")[0]):
            import obstore  # noqa: F401 - a missing library is named
        return cls(make_store(url, **options), read_only=read_only)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. One request; one more for a range past the end."""
        with self._reading(key):
            # Not by get_range_async, which costs a third less: it does not tell whether a short answer is all there is.
            reading = await self._read(key, byte_range or _ALL, None)
        return None if reading is None else reading.data

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. One request a range, all with ``If-Match`` of one ETag."""

        async def read(part: ByteRange, pin: Version | None) -> Reading | None:
            return await self._read(key, part, pin)

        with self._reading(key):
            if if_version is not None and not self._capabilities.versions:
                raise Unsupported("the store has no versions")
            try:
                return await read_ranges(read, ranges, if_version, limit=_AT_ONCE)
            except PreconditionFailed:  # some services say so of missing keys
                if await self._ask(lambda: self._obstore.head_async(self._store, key)) is None:
                    return None
                raise

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        with self._reading(key):
            result = await self._ask(lambda: self._obstore.get_async(self._store, key, options={"head": True}))
        if result is None:
            return None
        meta = result.meta
        return ObjectInfo(
            meta["size"], version_of(meta), meta["last_modified"].timestamp(), metadata_of(result, s3=self._s3)
        )

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. One request whatever the size: never in parts, so that nothing can be left of it.

        Raises:
            Unsupported: metadata that would come back changed; conditions or metadata where the store has none.
        """
        one_condition(create, if_version)
        can = self._capabilities
        with self._writing(key):
            if (
                (create and not can.create)
                or (if_version is not None and not can.cas)
                or (metadata and not can.metadata)
            ):
                raise Unsupported("the store has no such conditions or metadata")
            mode: PutMode = "create" if create else "overwrite"
            if if_version is not None:
                mode = condition(if_version, quoted=not self._s3)
            attributes: Attributes | None = attributes_of(metadata, s3=self._s3) if metadata else None
            try:
                done = await self._obstore.put_async(
                    self._store, key, self._flat(value), mode=mode, attributes=attributes, use_multipart=False
                )
            except Exception as error:  # its panics have a class that cannot be named here
                if not self._is_obstores(error):
                    raise
                failure = obstore_error(error)
                if if_version is not None and isinstance(failure, (AlreadyExists, NotFound)):
                    failure = PreconditionFailed(failure.reason)
                raise failure from error
        return version_of(done)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        with self._writing(key):
            if if_version is not None:
                raise Unsupported("obstore has no conditional delete")
            await self._delete(key)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys; on S3 1,000 a request."""
        pages = [keys[start : start + _PAGE] for start in range(0, len(keys), _PAGE)] if self._batch else keys
        with self._writing(*keys):
            await together(self._delete, pages, _AT_ONCE if not self._batch else 1)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. 1,000 keys a request; in a bucket one more for each empty value (:meth:`_marks`)."""
        self._listing(prefix)
        pages = self._obstore.list(self._store, prefix or None, chunk_size=_PAGE)
        passed: set[str] = set()  # of names of empty values
        while page := await self._next(pages):
            found = [meta for meta in page if meta["path"].startswith(prefix) and is_valid_key(meta["path"])]
            passed |= await self._marks([meta["path"] for meta in found if not meta["size"]])
            for meta in found:
                if meta["size"]:
                    yield meta["path"]
                elif meta["path"] not in passed:
                    passed.add(meta["path"])
                    yield meta["path"]

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. obstore gathers all names before it returns any."""
        with self._listing(prefix):
            found = await self._ask(lambda: self._obstore.list_with_delimiter_async(self._store, prefix or None))
        if found is None:
            return
        for path in found["common_prefixes"]:
            if path.startswith(prefix) and is_valid_key(path) and (not self._local or await self._is_used(path)):
                yield f"{path[len(prefix) :]}/"
        for meta in found["objects"]:
            if meta["path"].startswith(prefix) and is_valid_key(meta["path"]):
                yield meta["path"][len(prefix) :]

    async def aclose(self) -> None:
        """Refuse further calls; obstore closes its connections when the store is collected."""
        self._closed = True

    async def _read(self, key: str, part: ByteRange, pin: Version | None) -> Reading | None:
        """One range, by one GET where that can be."""
        if part.length == 0 or (part.start < 0 and not self._suffix):
            return await self._read_by_head(key, part, pin)
        options: GetOptions = {}
        if pin is not None:
            options["if_match"] = condition(pin)["e_tag"]
        if part.stop is not None:
            options["range"] = (part.start, part.stop)
        elif part.start:
            options["range"] = {"suffix": -part.start} if part.start < 0 else {"offset": part.start}
        try:
            result = await self._ask(lambda: self._obstore.get_async(self._store, key, options=options))
            data = None if result is None else await self._ask(result.bytes_async)
        except (PastTheEnd, Unranged) as refusal:
            return await self._read_by_head(key, part, pin, refusal)
        return None if result is None or data is None else reading(memoryview(data), result, part, pin, s3=self._s3)

    async def _read_by_head(
        self, key: str, part: ByteRange, pin: Version | None, refusal: StoreError | None = None
    ) -> Reading | None:
        """What a GET cannot tell: an empty range, one past the end, or the last bytes without suffix ranges."""
        meta = await self._ask(lambda: self._obstore.head_async(self._store, key))
        if meta is None:
            return None
        version = version_of(meta)
        if pin is not None and pin != version:
            raise PreconditionFailed(f"the stored version is {version}, not {pin}")
        start, stop = part.resolve(meta["size"])
        if start == stop:
            return Reading(b"", meta["size"], version, meta["last_modified"])
        if refusal is not None:
            raise refusal
        return await self._read(key, ByteRange(start, stop), version)

    async def _marks(self, paths: Sequence[str]) -> frozenset[str]:
        """Which of these empty values are marks of folders: obstore lists ``path/`` as ``path``, which is no key."""
        if not self._cloud:
            return frozenset()

        async def mark(path: str) -> str | None:
            with Place(self._url, path):
                there = await self._ask(lambda: self._obstore.head_async(self._store, path))
            return path if there is None else None

        return frozenset([path for path in await together(mark, paths, _AT_ONCE) if path is not None])

    async def _delete(self, keys: str | Sequence[str]) -> None:
        await self._ask(lambda: self._obstore.delete_async(self._store, keys))

    async def _next(self, pages: ListStream[Sequence[ObjectMeta]]) -> Sequence[ObjectMeta] | None:
        with Place(self._url, None):
            return await self._ask(lambda: anext(pages, None))

    async def _is_used(self, path: str) -> bool:
        """Whether a folder holds a key; obstore also lists empty ones."""
        return await self._next(self._obstore.list(self._store, path, chunk_size=1)) is not None

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Await one call of obstore; ``None`` if it says that there is no such key."""
        try:
            return await call()
        except Exception as error:  # its panics have a class that cannot be named here
            if not self._is_obstores(error):
                raise
            if is_missing(error):
                return None
            raise obstore_error(error) from error

    def _is_obstores(self, error: Exception) -> bool:
        """Whether obstore has failed. The class of a panic of Rust cannot be imported."""
        return isinstance(error, self._errors) or type(error).__name__ == "RustPanic"

    def _check_usable(self) -> None:
        super()._check_usable()
        check_process()
