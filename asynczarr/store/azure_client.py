"""Azure Blob Storage by its own library: one request a call, and failures in our words."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import ContainerClient

from ..errors import (
    AlreadyExists,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    NotFound,
    PreconditionFailed,
    StoreError,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
)
from ..types import ByteRange, ObjectInfo, Version
from .answer import answer_begins
from .azure_account import Account
from .exchange import connection_error, failure_of, open_session, wait_of
from .pinned import Reading
from .ranges import PastTheEnd, content_range, reading_of
from .together import together

__all__ = ["Client", "Missing", "Options", "connect"]

_PAGE = 1000
_BLOCKS_AT_ONCE = 4
_WHOLE = 1 << 42  # more than a blob can hold: a download is one request
_BIG = 1 << 20
_CODES: dict[str, type[StoreError]] = {
    "AccountBeingCreated": Unavailable,
    "AuthenticationFailed": Unauthenticated,
    "BlobAlreadyExists": AlreadyExists,
    "BlobImmutableDueToPolicy": Forbidden,
    "ConditionNotMet": PreconditionFailed,
    "ContainerBeingDeleted": Unavailable,
    "InvalidAuthenticationInfo": Unauthenticated,
    "LeaseIdMissing": Forbidden,
    "NoAuthenticationInformation": Unauthenticated,
    "SnapshotsPresent": Forbidden,
}


class Missing(Exception):
    """There is no such blob, in a container that there is."""


class _NoBytes(Exception):
    """A part of a blob that has no bytes; with the headers of the answer."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach the service; see ``AzureStore``."""

    account: Account
    container: str
    single_put_size: int
    verify: bool | str
    connect_timeout: float
    read_timeout: float
    max_connections: int


async def connect(options: Options) -> Client:
    """A client for the running event loop. Nothing is sent yet."""
    opened = open_session(
        verify=options.verify,
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        max_connections=options.max_connections,
    )
    try:
        transport = _Transport(
            session=await anext(opened),
            session_owner=False,
            connection_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
        )
        # In a thread: the library runs a program to find out what machine this is.
        container, identity = await asyncio.to_thread(_container, options, transport)
    except BaseException:
        await opened.aclose()
        raise
    return Client(opened, container, identity)


def _container(options: Options, transport: AioHttpTransport) -> tuple[ContainerClient, Any]:
    """The library's client, and a credential if one was made."""
    account = options.account
    how: dict[str, Any] = {
        "transport": transport,
        "retry_total": 0,
        "permit_redirects": False,
        "max_single_get_size": _WHOLE,
        "max_single_put_size": options.single_put_size,
    }
    try:
        if account.connection_string is not None:
            return ContainerClient.from_connection_string(account.connection_string, options.container, **how), None
        identity = _default_credential() if account.identity else None
        credential = identity or account.credential
        return ContainerClient(account.url or "", options.container, credential, **how), identity
    except ValueError:  # which may repeat what it was given
        raise Unauthenticated("the address or the credentials of the account are malformed") from None


class Client:
    """What one event loop uses.

    Args:
        opened: closes the session.
        container: the library's client.
        identity: a credential that was made for this event loop and is closed with it.
    """

    def __init__(self, opened: AsyncGenerator[Any], container: ContainerClient, identity: Any) -> None:
        self._opened = opened
        self._container = container
        self._identity = identity

    @staticmethod
    def if_absent() -> dict[str, Any]:
        """The condition that there is no such blob."""
        return {"match_condition": MatchConditions.IfMissing}

    @staticmethod
    def if_same(etag: Version | None) -> dict[str, Any]:
        """The condition that the stored version is this one, or none."""
        return {} if etag is None else {"etag": etag, "match_condition": MatchConditions.IfNotModified}

    async def put(
        self, name: str, data: bytes, metadata: Mapping[str, str] | None, condition: Mapping[str, Any]
    ) -> Version:
        """Write a blob by one request."""
        with _translated():
            answer = await self._container.get_blob_client(name).upload_blob(
                data, overwrite=True, metadata=dict(metadata or {}), **condition
            )
        return str(answer["etag"])

    async def put_blocks(
        self, name: str, blocks: Sequence[bytes], metadata: Mapping[str, str] | None, condition: Mapping[str, Any]
    ) -> Version:
        """Write a blob by one request for each block and one that makes them the blob."""
        blob = self._container.get_blob_client(name)
        names = [b64encode(b"%08d" % number).decode() for number in range(len(blocks))]
        with _translated():
            await together(lambda part: blob.stage_block(*part), [*zip(names, blocks, strict=True)], _BLOCKS_AT_ONCE)
            answer = await blob.commit_block_list(
                [BlobBlock(block) for block in names], metadata=dict(metadata or {}), **condition
            )
        return str(answer["etag"])

    async def download(self, name: str, byte_range: ByteRange, condition: Mapping[str, Any]) -> Reading:
        """One range by one request."""
        found: list[Reading] = []

        def look(response: Any) -> None:
            answer = response.http_response
            if answer.status_code == 206:
                found.append(reading_of(206, answer.headers, answer.content, byte_range, answer.headers["ETag"]))

        blob = self._container.get_blob_client(name)
        try:
            with _translated():
                await blob.download_blob(byte_range.start, byte_range.length, raw_response_hook=look, **condition)
        except _NoBytes as error:  # Azurite answers so if the range begins where the blob ends
            info = await self.head(name)
            start, stop = byte_range.resolve(info.size)
            if start < stop or info.version != error.args[0].get("ETag"):
                raise Truncated("no bytes arrived") from None
            return Reading(b"", info.size, info.version)
        return found[0]

    async def head(self, name: str) -> ObjectInfo:
        """Size, version and metadata by one request."""
        with _translated():
            found = await self._container.get_blob_client(name).get_blob_properties()
        return ObjectInfo(found.size, found.etag, found.last_modified.timestamp(), found.metadata or {})

    async def delete(self, name: str, condition: Mapping[str, Any]) -> None:
        """Delete a blob by one request."""
        with _translated():
            await self._container.get_blob_client(name).delete_blob(**condition)

    async def delete_batch(self, names: Sequence[str]) -> list[StoreError | None]:
        """Delete up to 256 blobs by one request; what became of each."""
        with _translated():
            answers = await self._container.delete_blobs(*names, raise_on_any_failure=False)
            found = [_error_of(answer.status_code, answer.headers) async for answer in answers]
        if len(found) != len(names):
            raise Unavailable(f"{len(found)} answers to {len(names)} deletions")
        return [error if isinstance(error, StoreError) else None for error in found]

    async def names(self, start: str, *, flat: bool) -> AsyncIterator[str]:
        """Names that begin with `start`, or names and prefixes up to the next ``/``; one request for 1,000."""
        options: dict[str, Any] = {
            "name_starts_with": start or None,
            "include": ["metadata"],
            "results_per_page": _PAGE,
        }
        container = self._container
        pages = container.list_blobs(**options) if flat else container.walk_blobs(delimiter="/", **options)
        items = pages.__aiter__()
        while True:
            with _translated():
                item = await anext(items, None)
            if item is None:
                return
            # Accounts with a hierarchical namespace list their folders as blobs.
            if not (getattr(item, "metadata", None) or {}).get("hdi_isfolder"):
                yield item.name

    async def aclose(self) -> None:
        """Close all connections."""
        await self._container.close()
        await self._opened.aclose()
        if self._identity is not None:
            await self._identity.close()


class _Transport(AioHttpTransport):  # type: ignore[misc]
    """Reads the body within the request: the library asks again, three times, when that fails later."""

    async def send(self, request: Any, *, stream: bool = False, **config: Any) -> Any:
        try:
            response: Any = await super().send(request, stream=True, **config)
            ranged = "x-ms-range" in request.headers
            if ranged and response.status_code == 200:
                response.internal_response.close()
                raise IntegrityError("the byte range was ignored: the answer is the whole value")
            if request.method == "GET":
                answer_begins(response.internal_response.content_length or 0)
            response.headers.pop("Content-Encoding", None)  # what is stored is wanted as it is
            await response.load_body()
        except AzureError as error:
            cause = error.inner_exception
            failure = connection_error(cause if isinstance(cause, Exception) else error)
            if isinstance(failure, Truncated) and request.method != "GET":
                failure = ConnectionFailed("the connection broke in the answer")
            raise failure from cause or error
        if ranged and response.status_code == 416:  # the library would ask again
            raise PastTheEnd(response.headers.get("ETag"))
        if ranged and response.status_code == 206:
            if not response.content:
                raise _NoBytes(response.headers)
            if content_range(response.headers.get("Content-Range", "")) is None:
                raise IntegrityError("a partial answer that does not say which part it is")
        if response.status_code >= 400:  # for want of a charset, the library would try all encodings that it knows
            response.headers["Content-Type"] = "application/xml; charset=utf-8"
        return response

    def _get_request_data(self, request: Any) -> Any:
        data = super()._get_request_data(request)
        # aiohttp writes a file in pieces, but large bytes at once, with a warning.
        return BytesIO(data) if isinstance(data, bytes) and len(data) > _BIG else data


def _default_credential() -> Any:
    return import_module("azure.identity.aio").DefaultAzureCredential()


@contextmanager
def _translated() -> Iterator[None]:
    """Around calls of the library: raises ``Missing`` or one of our errors."""
    try:
        yield
    except StoreError:
        raise
    except (AzureError, AttributeError, LookupError, TypeError, ValueError) as error:  # it trusts what it parses
        response: Any = getattr(error, "response", None)
        if response is not None:
            failure = _error_of(response.status_code, response.headers)
        elif isinstance(error, ClientAuthenticationError):
            failure = Unauthenticated(str(error))
        else:
            failure = None
        raise failure or Unavailable(f"an answer that cannot be understood: {type(error).__name__}") from error


def _error_of(status: int, headers: Mapping[str, str]) -> Exception | None:
    """What a status stands for. What the service says in words is left out, because it may repeat signatures."""
    if status < 300:
        return None
    code = headers.get("x-ms-error-code", "")
    if status == 404:
        return NotFound("the container does not exist") if code == "ContainerNotFound" else Missing()
    if status == 503:
        return Throttled(f"HTTP status 503: {code}", retry_after=wait_of(headers))
    if code in _CODES:
        return _CODES[code](f"HTTP status {status}: {code}")
    return failure_of(status, headers, code)
