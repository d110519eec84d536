"""Azure Blob Storage as a store: ``az://container/prefix`` and ``abfs://container@account.dfs.core.windows.net/prefix``.

A version is the ETag of a blob. A value is written by one request; one above `single_put_size` by blocks that become
the value with the last request. Blocks of a write that broke off are never seen, and Azure drops them after a week.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from ...errors import AlreadyExists, NotFound, PreconditionFailed
from ...types import ByteRange, BytesLike, ObjectInfo, Version
from ..conditions import expect, one_condition
from ..extras import extra
from ..fileio import frozen
from ..network.metadata import verify_metadata
from ..network.pinned import Reading
from ..network.ranges import PastTheEnd
from ..network.remote import Page, RemoteStore
from ..sessions import PerLoop
from .account import Credentials, find_account, parts_of_url

if TYPE_CHECKING:
    from .client import Client

__all__ = ["AzureStore"]

_BATCH = 256
_BLOCK = 16 << 20
_NAME = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
_ETAG = re.compile(r'"[^"]+"').fullmatch


class AzureStore(RemoteStore):
    """Blobs of a container, below a prefix.

    Credentials are what is given of the arguments below, else the variables of the Azure CLI
    (``AZURE_STORAGE_CONNECTION_STRING``, or ``AZURE_STORAGE_ACCOUNT`` with ``AZURE_STORAGE_KEY`` or
    ``AZURE_STORAGE_SAS_TOKEN``), else what ``DefaultAzureCredential`` finds if azure-identity is installed.

    Args:
        container: its name.
        prefix: folder in it, empty for the whole container.
        account: name of the account.
        endpoint: address of the account, by default ``https://ACCOUNT.blob.core.windows.net``.
        connection_string: address and credentials in one.
        account_key: a key of the account.
        sas_token: a shared access signature.
        credential: an asynchronous credential of azure-identity; it is not closed with the store.
        anonymous: send no credentials, which is enough to read public containers.
        read_only: refuse writes (``Unsupported``).
        single_put_size: bytes up to which a value is written by one request (at most 5,000 MiB).
        verify: check certificates; a path is that of a file with the certificates to trust.
        connect_timeout: seconds for a connection.
        read_timeout: seconds without a byte of an answer.
        max_connections: open at the same time, for each event loop.

    Raises:
        Unsupported: azure-storage-blob is not installed.
        KeyInvalid: no account is named.
        Unauthenticated: there are no credentials.
    """

    def __init__(
        self,
        container: str,
        prefix: str = "",
        *,
        account: str | None = None,
        endpoint: str | None = None,
        connection_string: str | None = None,
        account_key: str | None = None,
        sas_token: str | None = None,
        credential: Any = None,
        anonymous: bool = False,
        read_only: bool = False,
        single_put_size: int = 64 << 20,
        verify: bool | str = True,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        max_connections: int = 256,
    ) -> None:
        super().__init__(f"az://{container}", prefix, read_only=read_only)
        with extra("azure", store=self.url):
            from . import client as azure
            from . import transport
        given = Credentials(connection_string, account_key, sas_token, credential, anonymous)
        found = find_account(account, endpoint, given, store=self.url)
        self._service = found.service
        options = azure.Options(
            found,
            container,
            single_put_size=single_put_size,
            verify=verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_connections=max_connections,
        )
        self._single_put_size = single_put_size
        self._missing = transport.Missing
        self._clients: PerLoop[Client] = PerLoop(lambda: azure.connect(options), lambda client: client.aclose())

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Make a store of a URL (see the top of this module) and the arguments of the class."""
        container, prefix, endpoint = parts_of_url(url)
        if endpoint is not None:
            options["endpoint"] = endpoint
        return cls(container, prefix, **options)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. One request up to `single_put_size`, above it one for 16 MiB and one more.

        Raises:
            Unsupported: metadata that Azure would refuse or change. Names are those of C#, in lower case, since headers
                have none: letters, digits and underscores, and no digit first. Values are printable ASCII.
        """
        one_condition(create, if_version)
        with self._writing(key):
            verify_metadata(metadata or {}, _NAME, "lower-case letters, digits and underscores, no digit first,")
            client = await self._clients.get()
            condition = client.if_absent() if create else client.if_same(_etag(if_version))
            data = frozen(value)
            try:
                if len(data) <= self._single_put_size:
                    return await client.put(self._prefix + key, data, metadata, condition)
                blocks = [data[begin : begin + _BLOCK] for begin in range(0, len(data), _BLOCK)]
                return await client.put_blocks(self._prefix + key, blocks, metadata, condition)
            except self._missing as error:
                expect(None, if_version)
                raise NotFound("HTTP status 404 for a write") from error
            except PreconditionFailed as error:
                if create:
                    raise AlreadyExists("the key exists") from error
                raise

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``. One request."""
        with self._writing(key):
            client = await self._clients.get()
            try:
                await client.delete(self._prefix + key, client.if_same(_etag(if_version)))
            except self._missing:
                expect(None, if_version)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``. One request for 256 keys."""
        with self._writing(*keys):
            client = await self._clients.get()
            for begin in range(0, len(keys), _BATCH):
                batch = keys[begin : begin + _BATCH]
                errors = await client.delete_batch([self._prefix + key for key in batch])
                for key, error in zip(batch, errors, strict=True):
                    if error is not None:
                        raise error.at(key=key)

    async def aclose(self) -> None:
        """Close the connections of all event loops."""
        self._closed = True
        await self._clients.aclose()

    async def _fetch(self, key: str, byte_range: ByteRange, version: Version | None) -> Reading | None:
        if byte_range.start < 0:  # the service knows no suffixes
            info = await self._head(key)
            if info is None:
                return None
            expect(info.version, version)
            version, byte_range = info.version, ByteRange(*byte_range.resolve(info.size))
            if byte_range.length == 0:
                raise PastTheEnd(version)
        client = await self._clients.get()
        try:
            return await client.download(self._prefix + key, byte_range, client.if_same(_etag(version)))
        except self._missing:
            return None
        except PreconditionFailed:
            if await self._head(key) is None:  # the same status stands for both
                return None
            raise

    async def _head(self, key: str) -> ObjectInfo | None:
        client = await self._clients.get()
        try:
            return await client.head(self._prefix + key)
        except self._missing:
            return None

    async def _page(self, start: str, token: str, *, flat: bool) -> Page:
        client = await self._clients.get()
        return await client.page(start, token, flat=flat)


def _etag(version: Version | None) -> Version | None:
    if version is not None and not _ETAG(version):  # in particular not *, which would mean: any
        raise PreconditionFailed(f"{version!r} is no ETag of this store")
    return version
