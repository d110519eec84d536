"""Google Cloud Storage as a store: ``gs://bucket/prefix``.

A version is the generation of an object. A value of any size is written by one multipart upload: that is atomic, takes
conditions and metadata, and leaves nothing behind when it breaks off.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from ...errors import AlreadyExists, IntegrityError, NotFound, PreconditionFailed, StoreError, Unavailable
from ...types import ByteRange, BytesLike, ObjectInfo, Version
from ..conditions import expect, one_condition
from ..extras import extra
from ..fileio import frozen
from ..network.checksums import crc32c
from ..network.pinned import Reading
from ..network.remote import Page, RemoteStore
from ..network.threads import small_or_threaded
from ..sessions import PerLoop
from ..url import bucket_and_prefix
from .bodies import (
    answers_in,
    batch_of_deletions,
    document,
    generation_of,
    info_of,
    page_of,
    upload_of,
    version_stored,
)

if TYPE_CHECKING:
    from .client import Client

__all__ = ["GCSStore"]

_PUBLIC = "https://storage.googleapis.com"
_PAGE = 1000
_BATCH = 100
_GENERATION = re.compile(r"[1-9][0-9]*").fullmatch
_CRC32C = re.compile(r"\bcrc32c=([A-Za-z0-9+/=]+)").search


class GCSStore(RemoteStore):
    """Objects of a bucket, below a prefix.

    Args:
        bucket: its name.
        prefix: folder in it, empty for the whole bucket.
        read_only: refuse writes (``Unsupported``).
        anonymous: send no credentials, which is enough to read public buckets. True for an emulator, see `api_root`.
        service_file: JSON file with a key or credentials; by default those that Google's own libraries look for
            (``GOOGLE_APPLICATION_CREDENTIALS``, ``gcloud auth``, the metadata server).
        api_root: address of the service, by default that of an emulator in ``STORAGE_EMULATOR_HOST``, else Google's.
        verify: check certificates; a path is that of a file with the certificates to trust.
        connect_timeout: seconds for a connection.
        read_timeout: seconds without a byte of an answer.
        max_connections: open at the same time, for each event loop.

    Raises:
        Unsupported: aiohttp or gcloud-aio-auth is not installed.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        read_only: bool = False,
        anonymous: bool = False,
        service_file: str | os.PathLike[str] | None = None,
        api_root: str | None = None,
        verify: bool | str = True,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        max_connections: int = 256,
    ) -> None:
        super().__init__(f"gs://{bucket}", prefix, read_only=read_only)
        with extra("gcs", store=self.url):
            from . import client as gcs
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "") if api_root is None else ""
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        options = gcs.Options(
            root=(api_root or emulator or _PUBLIC).rstrip("/"),
            anonymous=anonymous or bool(emulator),
            service_file=None if service_file is None else os.fspath(service_file),
            verify=verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_connections=max_connections,
        )
        self._service = "" if options.root == _PUBLIC else options.root
        self._all = f"/storage/v1/b/{quote(bucket, safe='')}/o"
        self._missing = gcs.Missing
        self._failure = gcs.failure
        self._clients: PerLoop[Client] = PerLoop(lambda: gcs.connect(options), lambda client: client.aclose())

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Make a store of ``gs://bucket/prefix`` and the arguments of the class."""
        return cls(*bucket_and_prefix(url), **options)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. One request; the size and CRC32C that the service has stored are compared."""
        one_condition(create, if_version)
        with self._writing(key):
            data = frozen(value)
            checksum = await small_or_threaded(data, crc32c)
            resource = {"name": self._prefix + key, "crc32c": checksum, "metadata": dict(metadata or {})}
            headers, body = upload_of(resource, data)
            params = {"uploadType": "multipart", **({"ifGenerationMatch": "0"} if create else _if(if_version))}
            client = await self._clients.get()
            try:
                answer = await client.call("POST", f"/upload{self._all}", params=params, headers=headers, body=body)
            except self._missing as error:
                expect(None, if_version)
                raise NotFound("HTTP status 404 for a write") from error
            except PreconditionFailed as error:
                if create:
                    raise AlreadyExists("the key exists") from error
                raise
            return version_stored(document(answer), len(data), checksum)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``. One request."""
        with self._writing(key):
            params, client = _if(if_version), await self._clients.get()
            try:
                answer = await client.call("DELETE", self._path(key), params=params)
            except self._missing:
                expect(None, if_version)
            else:
                if answer.body.strip() not in (b"", b"null"):  # the latter is that of fake-gcs-server
                    raise Unavailable("an answer to a deletion that Google does not give")

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``. One request for 100 keys."""
        with self._writing(*keys):
            for begin in range(0, len(keys), _BATCH):
                await self._delete_batch(keys[begin : begin + _BATCH])

    async def aclose(self) -> None:
        """Close the connections of all event loops."""
        self._closed = True
        await self._clients.aclose()

    async def _fetch(self, key: str, byte_range: ByteRange, version: Version | None) -> Reading | None:
        params, client = {"alt": "media", **_if(version)}, await self._clients.get()
        try:
            answer = await client.call("GET", self._path(key), params=params, byte_range=byte_range)
        except self._missing:
            return None
        except NotFound:
            if await self._head(key) is None:  # fake-gcs-server says of values only that something is not there
                return None
            raise
        found = generation_of(answer.headers)
        expect(found, version)  # emulators do not look at the condition of a read
        promised = _CRC32C(answer.headers.get("x-goog-hash", ""))
        if promised and len(answer.body) == answer.size:
            checksum = await small_or_threaded(answer.body, crc32c)
            if promised[1] != checksum:
                raise IntegrityError("the value does not have the CRC32C that the service knows it by")
        return Reading(answer.body, answer.size, found)

    async def _head(self, key: str) -> ObjectInfo | None:
        client = await self._clients.get()
        try:
            return info_of(document(await client.call("GET", self._path(key))))
        except self._missing:
            return None

    async def _page(self, start: str, token: str, *, flat: bool) -> Page:
        params = {"prefix": start, "maxResults": str(_PAGE), "fields": "items(name),prefixes,nextPageToken"}
        if not flat:
            params["delimiter"] = "/"
        if token:
            params["pageToken"] = token
        client = await self._clients.get()
        try:
            return page_of(document(await client.call("GET", self._all, params=params)))
        except self._missing as error:
            raise NotFound("the bucket does not exist") from error

    def _path(self, key: str) -> str:
        return f"{self._all}/{quote(self._prefix + key, safe='')}"

    async def _delete_batch(self, keys: Sequence[str]) -> None:
        headers, body = batch_of_deletions([self._path(key) for key in keys])
        client = await self._clients.get()
        try:
            answer = await client.call("POST", "/batch/storage/v1", headers=headers, body=body)
        except self._missing as error:
            raise NotFound("HTTP status 404 for a batch") from error
        for key, (status, text) in zip(keys, answers_in(answer.body, len(keys)), strict=True):
            failure = None if status < 300 else self._failure(status, {}, text)
            if isinstance(failure, StoreError):
                raise failure.at(key=key)


def _if(version: Version | None) -> dict[str, str]:
    if version is None:
        return {}
    if not _GENERATION(version):  # in particular not 0, which would mean: no object at all
        raise PreconditionFailed(f"{version!r} is no generation of this store")
    return {"ifGenerationMatch": version}
