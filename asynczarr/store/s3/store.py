"""Buckets of S3 and of services that speak its protocol."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import md5
from importlib.util import find_spec
from os import environ
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote

from ...errors import AlreadyExists, KeyInvalid, PreconditionFailed, Unavailable, Unsupported
from ...types import ByteRange, BytesLike, ObjectInfo, Version
from ..conditions import expect, one_condition
from ..extras import extra
from ..fileio import flat_view
from ..network.checksums import crc32c
from ..network.pinned import Reading
from ..network.remote import Page, RemoteStore
from ..network.threads import THREADS, small_or_threaded
from ..sessions import PerLoop
from ..url import without_secrets
from .answer import quoted, stored, there
from .errors import errors_of_deletion
from .headers import CRC32C, crc32c_of, etag_of, info_of, metadata_headers, metadata_of, verify_crc32c
from .multipart import MIN_PART, upload_in_parts
from .options import AddressingStyle, S3Options
from .xml import deletion, in_xml, page_of

if TYPE_CHECKING:
    from .client import S3Client

__all__ = ["S3Store"]

_BATCH = 1000


class S3Store(RemoteStore):
    """A bucket, or what lies below a prefix of it: one request a call, no retries.

    Connections belong to an event loop; a store may be used in several loops, threads and forked processes.

    Args:
        bucket: its name, or the ARN of an access point.
        prefix: put before every key, with a ``/`` in between.
        endpoint_url: of a service that is not AWS; by default what botocore's configuration says.
        region: likewise.
        anonymous: do not sign, for public buckets.
        profile: name of a profile in the configuration files of AWS.
        access_key_id: with `secret_access_key`, and `session_token` if there is one; by default botocore's chain
            (variables, files, SSO, roles, metadata service) is asked, in a thread, and again before they expire.
        secret_access_key: see `access_key_id`.
        session_token: see `access_key_id`.
        addressing_style: ``"virtual"``, ``"path"`` or ``"auto"``; by default botocore decides.
        verify: ``False`` trusts any certificate, a string is the path of a bundle of those to trust.
        max_connections: of each event loop.
        connect_timeout: seconds; there is no other timeout in here.
        multipart_size: bytes above which a value is uploaded in parts of `part_size`. Conditional writes never are:
            not every service enforces the condition then.
        part_size: at least 5 MiB.
        checksum: send a CRC-32C with each value, and verify that of what is read where the service keeps one.
        conditional_delete: the service enforces ``If-Match`` on DELETE. AWS does, Ceph ignores it.
        read_only: refuse writes (``Unsupported``).
        headers: sent and signed with every request, such as ``x-amz-request-payer``.

    Raises:
        KeyInvalid: a prefix that is no key.
        Unsupported: aiohttp or botocore is not installed.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        anonymous: bool = False,
        profile: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        addressing_style: AddressingStyle | None = None,
        verify: bool | str | None = None,
        max_connections: int = 64,
        connect_timeout: float = 5.0,
        multipart_size: int = 64 << 20,
        part_size: int = 16 << 20,
        checksum: bool = True,
        conditional_delete: bool = False,
        read_only: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if part_size < MIN_PART or multipart_size < MIN_PART:
            raise ValueError(f"parts have at least {MIN_PART} bytes")
        if (access_key_id is None) != (secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        super().__init__(f"s3://{bucket}", prefix, read_only=read_only)
        self._capabilities = replace(self._capabilities, cas_delete=conditional_delete)
        self._service = without_secrets(
            endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
        )
        self._path = "/" + quoted(self._prefix)
        with extra("s3", store=self._url):
            for library in ("aiohttp", "botocore"):
                if find_spec(library) is None:
                    raise ModuleNotFoundError(name=library)
        self._multipart_size, self._part_size, self._checksum = multipart_size, part_size, checksum
        options = S3Options(
            bucket=bucket,
            endpoint_url=endpoint_url,
            region=region,
            anonymous=anonymous,
            profile=profile,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
            addressing_style=addressing_style,
            verify=verify,
            max_connections=max_connections,
            connect_timeout=connect_timeout,
            headers=dict(headers or {}),
        )
        self._clients: PerLoop[S3Client] = PerLoop(lambda: _connect(options), lambda client: client.aclose())

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = False, **options: Any) -> Self:
        """The store of ``s3://bucket/prefix``; the prefix is percent-decoded once, the options are those of the class.

        Raises:
            KeyInvalid: no bucket, a user or port in its place, a query or a fragment, or a prefix that is no key.
        """
        bucket, _, prefix = url.partition("://")[2].partition("/")
        user = ":" in bucket and not bucket.startswith("arn:")
        if not bucket or user or "@" in bucket or "?" in url or "#" in url:
            raise KeyInvalid("write s3://bucket/prefix, with ? as %3F and # as %23", store=without_secrets(url))
        return cls(bucket, unquote(prefix.rstrip("/")), read_only=read_only, **options)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. One PUT, or an upload in parts if the value is large and there is no condition.

        Raises:
            Unsupported: metadata that S3 would change; a conditional write of more than 5 GiB.
        """
        one_condition(create, if_version)
        with self._writing(key):
            headers = metadata_headers(metadata or {})
            data = value if type(value) is bytes else flat_view(value)
            client, path = await self._clients.get(), self._path + quoted(key)
            if len(data) > self._multipart_size and not create and if_version is None:
                return await upload_in_parts(client, path, memoryview(data), part_size=self._part_size, headers=headers)
            if create:
                headers["If-None-Match"] = "*"
            elif if_version is not None:
                headers["If-Match"] = if_version
            if self._checksum:
                headers[CRC32C] = await small_or_threaded(data, crc32c)
            try:
                answer = await client.request("PUT", path, headers=headers, body=data, verified=self._checksum)
            except PreconditionFailed as error:
                if create:
                    raise AlreadyExists("the key exists") from error
                raise
            if answer is None:
                expect(None, if_version)
            return stored(answer)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``.

        Raises:
            Unsupported: `if_version`, unless the store was opened with ``conditional_delete=True``.
        """
        with self._writing(key):
            if if_version is not None and not self._capabilities.cas_delete:
                raise Unsupported("conditional_delete=True was not given: not every service enforces it")
            headers = None if if_version is None else {"If-Match": if_version}
            client = await self._clients.get()
            answer = await client.request("DELETE", self._path + quoted(key), headers=headers)
            if answer is None:
                expect(None, if_version)
            elif answer.body:
                raise Unavailable("an answer to a deletion that S3 does not give")

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``. 1,000 keys a request; those that XML cannot hold, with U+FFFE or U+FFFF, one."""
        unique = dict.fromkeys(keys)
        with self._writing(*unique):
            for key in unique:
                if not in_xml(key):
                    await self.delete(key)
            together = [key for key in unique if in_xml(key)]
            for start in range(0, len(together), _BATCH):
                body = deletion(self._prefix + key for key in together[start : start + _BATCH])
                headers = {"Content-MD5": b64encode(md5(body, usedforsecurity=False).digest()).decode()}
                client = await self._clients.get()
                answer = await client.request("POST", "/?delete=", headers=headers, body=body)
                for key, error in errors_of_deletion(there(answer).body):
                    raise error.at(key=key.removeprefix(self._prefix))

    async def aclose(self) -> None:
        """Close the connections of all event loops."""
        self._closed = True
        await self._clients.aclose()

    async def _fetch(self, key: str, byte_range: ByteRange, version: Version | None) -> Reading | None:
        headers = {} if version is None else {"If-Match": version}
        if self._checksum and byte_range.start == 0:  # it may cover the value, as that of a chunk does
            headers["x-amz-checksum-mode"] = "ENABLED"
        client = await self._clients.get()
        answer = await client.request("GET", self._path + quoted(key), headers=headers, byte_range=byte_range)
        if answer is None:
            return None
        whole = len(answer.body) == answer.size
        if whole and (told := crc32c_of(answer.headers, ranged=answer.status == 206)):
            await small_or_threaded(answer.body, partial(verify_crc32c, told))
        return Reading(answer.body, answer.size, etag_of(answer.headers), metadata=metadata_of(answer.headers))

    async def _head(self, key: str) -> ObjectInfo | None:
        client = await self._clients.get()
        answer = await client.request("HEAD", self._path + quoted(key))
        return None if answer is None else info_of(answer.status, answer.headers)

    async def _page(self, start: str, token: str, *, flat: bool) -> Page:
        query = f"/?list-type=2&encoding-type=url&prefix={quote(start, safe='')}"
        if not flat:
            query += "&delimiter=%2F"
        if token:
            query += f"&continuation-token={quote(token, safe='')}"
        client = await self._clients.get()
        return page_of(there(await client.request("GET", query)).body)


async def _connect(options: S3Options) -> S3Client:
    kind = await THREADS.run(_load)
    return await kind.connect(options)


def _load() -> type[S3Client]:
    """The libraries: in a thread, because they read hundreds of files when they are imported."""
    from .client import S3Client

    return S3Client
