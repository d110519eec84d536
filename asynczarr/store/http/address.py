"""What an HTTP URL says: where keys are added, what is sent with every request, and what is secret."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from yarl import URL

from ...errors import KeyInvalid
from ..url import without_secrets

__all__ = ["parse_url", "private_headers"]

_QUERY = "%/?:@!$&'()*+,;=~"  # what may stand in a query: kept as it was signed
_OURS = frozenset({"accept-encoding", "host", "if-range", "range"})


def parse_url(url: str) -> tuple[str, str, tuple[str, str] | None]:
    """The part before the keys, the part after them, and user and password.

    Raises:
        KeyInvalid: not an HTTP URL.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.fragment:
            raise ValueError("scheme, host, no fragment")
        host = parts.netloc.rpartition("@")[2]
        base = str(URL(f"{parts.scheme}://{host}{parts.path}")).rstrip("/")
    except ValueError:
        raise KeyInvalid("write http(s)://host/path", store=without_secrets(url)) from None
    user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return base, f"?{quote(parts.query, safe=_QUERY)}" if parts.query else "", user


def private_headers(headers: Mapping[str, str], auth: tuple[str, str] | None) -> dict[str, str]:
    """Headers that only the host of the store may see.

    Raises:
        ValueError: headers that the store sends itself, or two ways to authenticate.
    """
    names = [name.lower() for name in headers]
    if taken := _OURS.intersection(names):
        raise ValueError(f"the store sends these headers itself: {', '.join(sorted(taken))}")
    if auth is None:
        return dict(headers)
    if "authorization" in names:
        raise ValueError("give auth= or a header Authorization, not both")
    return {**headers, "Authorization": "Basic " + b64encode(":".join(auth).encode()).decode()}
