"""Stores of obstore by URL, and what is known of a store that somebody else has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import KeyInvalid
from ..base import Capabilities
from ..url import local_path, without_secrets

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["CLOUDS", "address", "capabilities", "make_store", "service"]

CLOUDS = {"S3Store": ("s3", "bucket"), "GCSStore": ("gs", "bucket"), "AzureStore": ("az", "container_name")}
"""Stores of objects in buckets, by their class: scheme, and option that names the bucket."""


def address(store: ObjectStore) -> str:
    """A URL of a store, without secrets."""
    kind = type(store).__name__
    prefix = str(getattr(store, "prefix", None) or "").strip("/")
    if kind in CLOUDS:
        scheme, name = CLOUDS[kind]
        bucket: str = _config(store).get(name, "")
        return f"{scheme}://{bucket}/{prefix}".rstrip("/")
    if kind == "LocalStore":
        return f"file:///{prefix}"
    if kind == "HTTPStore":
        return without_secrets(str(getattr(store, "url", ""))).rstrip("/")
    return f"{'memory' if kind == 'MemoryStore' else kind}://obstore-{id(store):x}"


def service(store: ObjectStore) -> str:
    """Address of the service of a store, if it is not that of Amazon or Google; in Azure that of the account."""
    config = _config(store)
    account = config.get("account_name")
    return without_secrets(config.get("endpoint") or (f"https://{account}.blob.core.windows.net" if account else ""))


def capabilities(store: ObjectStore, *, read_only: bool) -> Capabilities:
    """What a store of this kind can do; of kinds that are not known, only what all of them can."""
    kind = type(store).__name__
    write = not read_only and kind != "HTTPStore"
    conditions = write and (
        kind in ("MemoryStore", "GCSStore", "AzureStore")
        or (kind == "S3Store" and _config(store).get("conditional_put", "etag") == "etag")
    )
    return Capabilities(
        write=write,
        list=kind != "HTTPStore",  # that would be WebDAV
        create=conditions or (write and kind == "LocalStore"),
        cas=conditions,
        cas_delete=False,
        versions=kind in ("MemoryStore", "LocalStore", "HTTPStore", *CLOUDS),
        metadata=write and kind in ("MemoryStore", *CLOUDS),
    )


def make_store(url: str, **options: Any) -> ObjectStore:
    """A store of obstore that tries once.

    Args:
        url: ``s3://``, ``gs://``, ``az://``, ``http(s)://``, ``file://``, ``memory://`` and what else obstore knows, or
            a path.
        **options: see :meth:`~asynczarr.store.obstore.ObstoreStore.from_url`.
    """
    from obstore.store import HTTPStore, LocalStore, MemoryStore, from_url

    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() == "file":
        return LocalStore(local_path(url) if mark else url, mkdir=True, **options)
    if scheme.lower() == "memory":
        return MemoryStore(**options)
    if rest.partition("/")[0].rpartition("@")[0]:
        raise KeyInvalid("give credentials as options, not in the URL", store=without_secrets(url))
    anonymous, verify = options.pop("anonymous", False), options.pop("verify", True)
    client: dict[str, Any] = {"allow_http": "http://" in str(options) or scheme.lower() == "http"}
    if not verify:
        client["allow_invalid_certificates"] = True
    options["client_options"] = {**client, **options.get("client_options", {})}
    options["retry_config"] = {"max_retries": 0}
    if scheme.lower() in ("http", "https"):
        return HTTPStore.from_url(url, **options)
    if anonymous:
        options["skip_signature"] = True
    store: ObjectStore = from_url(url, **options)
    return store


def _config(store: ObjectStore) -> Mapping[str, str]:
    return getattr(store, "config", None) or {}
