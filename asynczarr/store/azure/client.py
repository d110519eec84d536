"""Azure Blob Storage by its own library, one request a call."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import ContainerClient

from ...errors import StoreError, Truncated, Unauthenticated, Unavailable
from ...types import ByteRange, ObjectInfo, Version
from ..network.metadata import user_metadata
from ..network.pinned import Reading
from ..network.ranges import verify_range
from ..network.remote import Page
from ..network.session import Session
from ..network.threads import THREADS
from ..network.together import together
from .account import Account
from .transport import NoBytes, Transport, error_of, translated

__all__ = ["Client", "Options", "connect"]

_PAGE = 1000
_BLOCKS_AT_ONCE = 4
_META = "x-ms-meta-"
_WHOLE = 1 << 42  # more than a blob can hold: a download is one request


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
    session = await Session.open(
        verify=options.verify,
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        max_connections=options.max_connections,
    )
    try:
        transport = Transport(
            session=session.http,
            session_owner=False,
            connection_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
        )
        # In a thread: the library runs a program to find out what machine this is.
        container, identity = await THREADS.run(_container, options, transport)
    except BaseException:
        await session.aclose()
        raise
    return Client(session, container, identity)


def _container(options: Options, transport: Transport) -> tuple[ContainerClient, Any]:
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
        session: closed with it.
        container: the library's client.
        identity: a credential that was made for this event loop and is closed with it.
    """

    def __init__(self, session: Session, container: ContainerClient, identity: Any) -> None:
        self._session = session
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
        with translated():
            answer = await self._container.get_blob_client(name).upload_blob(
                data, overwrite=True, metadata=dict(metadata or {}), **condition
            )
        return _version_in(answer)

    async def put_blocks(
        self, name: str, blocks: Sequence[bytes], metadata: Mapping[str, str] | None, condition: Mapping[str, Any]
    ) -> Version:
        """Write a blob by one request for each block and one that makes them the blob."""
        blob = self._container.get_blob_client(name)
        names = [b64encode(b"%08d" % number).decode() for number in range(len(blocks))]
        with translated():
            await together(lambda part: blob.stage_block(*part), [*zip(names, blocks, strict=True)], _BLOCKS_AT_ONCE)
            answer = await blob.commit_block_list(
                [BlobBlock(block) for block in names], metadata=dict(metadata or {}), **condition
            )
        return _version_in(answer)

    async def download(self, name: str, byte_range: ByteRange, condition: Mapping[str, Any]) -> Reading:
        """One range by one request."""
        found: list[Reading] = []

        def look(response: Any) -> None:
            answer = response.http_response
            if answer.status_code == 206:
                _, size = verify_range(206, answer.headers, byte_range)
                metadata = user_metadata(answer.headers, _META)
                version = answer.headers.get("ETag") or None
                found.append(Reading(answer.content, size or 0, version, metadata=metadata))

        blob = self._container.get_blob_client(name)
        try:
            with translated():
                await blob.download_blob(byte_range.start, byte_range.length, raw_response_hook=look, **condition)
                return found[0]
        except NoBytes as error:  # Azurite answers so if the range begins where the blob ends
            info = await self.head(name)
            start, stop = byte_range.resolve(info.size)
            if start < stop or info.version != error.args[0].get("ETag"):
                raise Truncated("no bytes arrived") from None
            return Reading(b"", info.size, info.version)

    async def head(self, name: str) -> ObjectInfo:
        """Size, version and metadata by one request."""
        with translated():
            found = await self._container.get_blob_client(name).get_blob_properties()
            metadata = {name.lower(): value for name, value in (found.metadata or {}).items()}
            info = ObjectInfo(found.size, found.etag, found.last_modified.timestamp(), metadata)
        if info.size is None or info.version is None:  # whatever the library says of their types
            raise Unavailable("the answer does not describe a blob")
        return info

    async def delete(self, name: str, condition: Mapping[str, Any]) -> None:
        """Delete a blob by one request."""
        with translated():
            await self._container.get_blob_client(name).delete_blob(**condition)

    async def delete_batch(self, names: Sequence[str]) -> list[StoreError | None]:
        """Delete up to 256 blobs by one request; what became of each."""
        with translated(blob=False):
            answers = await self._container.delete_blobs(*names, raise_on_any_failure=False)
            found = [error_of(answer.status_code, answer.headers) async for answer in answers]
        if len(found) != len(names):
            raise Unavailable(f"{len(found)} answers to {len(names)} deletions")
        return [error if isinstance(error, StoreError) else None for error in found]

    async def page(self, start: str, token: str, *, flat: bool) -> Page:
        """See ``RemoteStore``."""
        options: dict[str, Any] = {
            "name_starts_with": start or None,
            "include": ["metadata"],
            "results_per_page": _PAGE,
        }
        container = self._container
        listing = container.list_blobs(**options) if flat else container.walk_blobs(delimiter="/", **options)
        pages: Any = listing.by_page(token or None)
        with translated(blob=False):
            names = [item.name async for item in await anext(pages) if not _is_folder(item)]
        if not all(isinstance(name, str) for name in names):
            raise Unavailable("a listing with blobs that have no name")
        return Page(names, pages.continuation_token or "")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._container.close()
        await self._session.aclose()
        if self._identity is not None:
            await self._identity.close()


def _version_in(answer: Mapping[str, Any]) -> Version:
    """The version that the answer to a write tells."""
    if not answer.get("etag"):
        raise Unavailable("the service does not say what it has stored")
    return str(answer["etag"])


def _is_folder(item: Any) -> bool:
    """Accounts with a hierarchical namespace list their folders as blobs."""
    return bool((getattr(item, "metadata", None) or {}).get("hdi_isfolder"))


def _default_credential() -> Any:
    return import_module("azure.identity.aio").DefaultAzureCredential()
