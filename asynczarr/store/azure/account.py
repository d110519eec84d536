"""Which account of Azure, and with what credentials: arguments first, then the variables of the Azure CLI."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from ...errors import KeyInvalid, Unauthenticated
from ..url import bucket_and_prefix, without_secrets

__all__ = ["Account", "Credentials", "find_account", "parts_of_url"]

_HOST = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)(\.[a-z0-9.\-]+)").fullmatch


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves who asks; at most one of them is given."""

    connection_string: str | None = None
    account_key: str | None = None
    sas_token: str | None = None
    credential: Any = None
    anonymous: bool = False

    def given(self) -> bool:
        """Whether there is any."""
        return any((self.connection_string, self.account_key, self.sas_token, self.credential, self.anonymous))


@dataclass(frozen=True, slots=True)
class Account:
    """Where to go and what to show, as the library of Azure takes it.

    Attributes:
        url: address of the account, ``None`` with a connection string.
        connection_string: holds address and credentials.
        credential: a key, a token, an object of the library, or ``None`` for public containers.
        identity: credentials are made by ``DefaultAzureCredential``, for each event loop.
    """

    url: str | None
    connection_string: str | None = field(default=None, repr=False)
    credential: Any = field(default=None, repr=False)
    identity: bool = False

    @property
    def service(self) -> str:
        """Address without secrets, as far as it is known: the limits of Azure are those of an account."""
        if self.url is not None:
            return without_secrets(self.url)
        parts = (part.partition("=") for part in (self.connection_string or "").split(";"))
        fields = {name: value for name, _, value in parts}
        usual = f"https://{fields.get('AccountName')}.blob.{fields.get('EndpointSuffix', 'core.windows.net')}"
        return without_secrets(fields.get("BlobEndpoint", usual if "AccountName" in fields else ""))


def parts_of_url(url: str) -> tuple[str, str, str | None]:
    """Container, folder and, if the URL names it, address of the account.

    Raises:
        KeyInvalid: neither ``az://container/folder`` nor ``abfs://container@account.dfs.core.windows.net/folder``.
    """
    scheme, _, rest = url.partition("://")
    place, slash, folder = rest.partition("/")
    container, at, host = place.partition("@")
    match = _HOST(host)
    if at and not match:
        raise KeyInvalid("write scheme://container@account.dfs.core.windows.net/folder", store=f"{scheme}://")
    address = f"https://{match[1]}.blob{match[2]}" if match else None
    return *bucket_and_prefix(f"{scheme}://{container}{slash}{folder}"), address


def find_account(account: str | None, endpoint: str | None, given: Credentials, *, store: str) -> Account:
    """The account of a store.

    Args:
        account: its name.
        endpoint: its address, where that is not ``https://ACCOUNT.blob.core.windows.net``.
        given: by the caller. If there is none, ``AZURE_STORAGE_KEY`` and ``AZURE_STORAGE_SAS_TOKEN`` count if
            ``AZURE_STORAGE_ACCOUNT`` names no other account, ``AZURE_STORAGE_CONNECTION_STRING`` if no account is
            named at all, and then what ``DefaultAzureCredential`` of azure-identity finds.
        store: for messages.

    Raises:
        KeyInvalid: no account is named anywhere.
        Unauthenticated: no credentials, and azure-identity is not installed.
    """
    usual = os.environ.get("AZURE_STORAGE_ACCOUNT")
    if not given.given():
        if account is None and endpoint is None:
            given = Credentials(connection_string=os.environ.get("AZURE_STORAGE_CONNECTION_STRING"))
        if not given.given() and usual is not None and account in (None, usual) and endpoint is None:
            given = Credentials(
                account_key=os.environ.get("AZURE_STORAGE_KEY"), sas_token=os.environ.get("AZURE_STORAGE_SAS_TOKEN")
            )
    if given.connection_string:
        return Account(None, given.connection_string)
    name = account or (usual if endpoint is None else None)
    if name is None and endpoint is None:
        raise KeyInvalid("which account? Give account=, endpoint= or connection_string=", store=store)
    return _with_credentials(endpoint or f"https://{name}.blob.core.windows.net", name, given, store)


def _with_credentials(url: str, name: str | None, given: Credentials, store: str) -> Account:
    if given.account_key:
        known = name or _account_in(url)
        return Account(url, credential={"account_name": known, "account_key": given.account_key})
    if given.sas_token:
        from azure.core.credentials import AzureSasCredential

        return Account(url, credential=AzureSasCredential(given.sas_token.lstrip("?")))
    if given.credential is not None or given.anonymous:
        return Account(url, credential=given.credential)
    from importlib.util import find_spec

    if find_spec("azure.identity") is None:
        raise Unauthenticated(
            "no credentials were given; azure-identity finds those of the environment (pip install azure-identity), "
            "and public containers can be read with anonymous=True",
            store=store,
        )
    return Account(url, identity=True)


def _account_in(url: str) -> str:
    """Its name in ``https://NAME.blob...`` or, of emulators, ``http://127.0.0.1:10000/NAME``."""
    host, _, path = url.partition("://")[2].partition("/")
    return path.strip("/") or host.partition(".")[0]
