"""Google Cloud Storage as a store: ``gs://bucket/prefix``.

A version is the generation of an object. A value of any size is written by one multipart upload: that is atomic, takes
conditions and metadata, and leaves nothing behind when it breaks off.
"""

from __future__ import annotations

import os
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from ..errors import AlreadyExists, IntegrityError, PreconditionFailed, Unavailable
from ..types import ByteRange, BytesLike, ObjectInfo, Version
from .conditions import expect, one_condition
from .extras import extra
from .fileio import frozen
from .ranges import Piece, piece_of
from .remote import RemoteStore
from .sessions import PerLoop
from .url import bucket_and_prefix

if TYPE_CHECKING:
    from .gcs_client import Client

__all__ = ["GCSStore"]

_PUBLIC = "https://storage.googleapis.com"
_PAGE = 1000
_BATCH = 100
_GENERATION = re.compile(r"[1-9][0-9]*").fullmatch
_CRC32C = re.compile(r"\bcrc32c=([A-Za-z0-9+/=]+)").search
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE).findall


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
        Unsupported: gcloud-aio-storage is not installed.
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
            from . import gcs_client
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "") if api_root is None else ""
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        options = gcs_client.Options(
            root=(api_root or emulator or _PUBLIC).rstrip("/"),
            anonymous=anonymous or bool(emulator),
            service_file=None if service_file is None else os.fspath(service_file),
            verify=verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_connections=max_connections,
        )
        self._bucket = bucket
        self._missing = gcs_client.Missing
        self._clients: PerLoop[Client] = PerLoop(lambda: gcs_client.connect(options), lambda client: client.aclose())

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
            checksum = _crc32c(data)
            client = await self._clients.get()
            upload = client.storage.upload(
                self._bucket,
                self._prefix + key,
                data,
                content_type="application/octet-stream",
                parameters={"ifGenerationMatch": "0"} if create else _if(if_version),
                # A multipart upload is what gcloud-aio makes when there is metadata, and the only kind whose
                # conditions emulators check. Its resumable uploads may store nothing and report success.
                metadata={"crc32c": checksum, "metadata": dict(metadata or {})},
                force_resumable_upload=False,
                timeout=client.patience,
            )
            try:
                stored = await client.ask(upload)
            except self._missing as error:
                raise PreconditionFailed("the key is missing") from error
            except PreconditionFailed as error:
                if create:
                    raise AlreadyExists("the key exists") from error
                raise
            return _version_stored(stored, len(data), checksum)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``. One request."""
        with self._writing(key):
            client = await self._clients.get()
            deletion = client.storage.delete(
                self._bucket, self._prefix + key, params=_if(if_version), timeout=client.patience
            )
            try:
                await client.ask(deletion)
            except self._missing:
                expect(None, if_version)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``. One request for 100 keys."""
        with self._writing(*keys):
            for begin in range(0, len(keys), _BATCH):
                await self._delete_batch(keys[begin : begin + _BATCH])

    async def aclose(self) -> None:
        """Close the connections of all event loops."""
        self._closed = True
        await self._clients.aclose()

    async def _fetch(self, key: str, byte_range: ByteRange, version: Version | None) -> Piece | None:
        client = await self._clients.get()
        try:
            answer = await client.download(
                self._bucket, self._prefix + key, byte_range, _if(version).get("ifGenerationMatch")
            )
        except self._missing:
            return None
        found = answer.headers.get("x-goog-generation")
        expect(found, version)  # emulators do not look at the condition of a read
        if answer.status == 416:
            return Piece(b"", found, None)
        piece = piece_of(answer.status, answer.headers, answer.body, byte_range, found)
        promised = _CRC32C(answer.headers.get("x-goog-hash", ""))
        if promised and len(piece.data) == piece.size and promised[1] != _crc32c(answer.body):
            raise IntegrityError("the value does not have the CRC32C that the service knows it by")
        return piece

    async def _head(self, key: str) -> ObjectInfo | None:
        client = await self._clients.get()
        try:
            found = await client.ask(
                client.storage.download_metadata(self._bucket, self._prefix + key, timeout=client.patience)
            )
        except self._missing:
            return None
        modified = datetime.fromisoformat(found["updated"]).timestamp()
        return ObjectInfo(int(found["size"]), found["generation"], modified, found.get("metadata", {}))

    async def _names(self, start: str, *, flat: bool) -> AsyncIterator[str]:
        client = await self._clients.get()
        asked = {"prefix": start, "maxResults": str(_PAGE), "fields": "items(name),prefixes,nextPageToken"}
        if not flat:
            asked["delimiter"] = "/"
        while True:
            page = await client.ask(client.storage.list_objects(self._bucket, params=asked, timeout=client.patience))
            for item in page.get("items", ()):
                yield item["name"]
            for name in page.get("prefixes", ()):
                yield name
            if not page.get("nextPageToken"):
                return
            asked["pageToken"] = page["nextPageToken"]

    async def _delete_batch(self, keys: Sequence[str]) -> None:
        boundary = secrets.token_hex(16)
        parts = [
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
            f"DELETE /storage/v1/b/{self._bucket}/o/{quote(self._prefix + key, safe='')} HTTP/1.1\r\n\r\n\r\n"
            for number, key in enumerate(keys)
        ]
        body = f"{''.join(parts)}--{boundary}--\r\n".encode()
        client = await self._clients.get()
        answer = await client.post("/batch/storage/v1", body, f"multipart/mixed; boundary={boundary}")
        statuses = [int(status) for status in _STATUS(answer)]
        if len(statuses) != len(keys):
            raise Unavailable(f"{len(statuses)} answers to {len(keys)} deletions")
        for key, status in zip(keys, statuses, strict=True):
            if status >= 300 and status != 404:
                raise client.failure(status).at(key=key)


def _if(version: Version | None) -> dict[str, str]:
    if version is None:
        return {}
    if not _GENERATION(version):  # in particular not 0, which would mean: no object at all
        raise PreconditionFailed(f"{version!r} is no generation of this store")
    return {"ifGenerationMatch": version}


def _version_stored(stored: Any, size: int, checksum: str) -> Version:
    if not isinstance(stored, dict) or not stored.get("generation"):
        raise Unavailable("the service does not say what it has stored")
    if (int(stored.get("size", -1)), stored.get("crc32c", checksum)) != (size, checksum):
        raise IntegrityError(f"{stored.get('size')} bytes were stored, or others than the {size} that were sent")
    return str(stored["generation"])


def _crc32c(data: bytes) -> str:
    import google_crc32c

    return b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
