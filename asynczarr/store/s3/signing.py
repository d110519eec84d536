"""Signature version 4, as botocore's ``S3SigV4Auth`` makes it: a test compares the two.

botocore's takes as long as all the rest of a request: it parses the URL four times, copies the headers into an e-mail
message twice, and derives the key of the day each time.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SIGNED_HEADERS_BLACKLIST

__all__ = ["Signer"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_NOT_SIGNED = frozenset({"authorization", *SIGNED_HEADERS_BLACKLIST})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Signer:
    """Signs requests to one bucket.

    Args:
        url: what stands before the path of each request.
        region: what signatures are for, with `service`.
        service: likewise.
    """

    def __init__(self, url: str, region: str, service: str) -> None:
        parts = urlsplit(url)
        default = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        self._host = host if default else f"{host}:{parts.port}"
        self._root = parts.path
        self._region, self._service = region, service
        self._keys: tuple[tuple[str, str], bytes] = (("", ""), b"")

    def sign(self, credentials: Any, method: str, path: str, headers: dict[str, str], payload: str) -> None:
        """Add the date, the hash of the payload, the token and the signature to `headers`.

        Args:
            credentials: access key, secret key and token, as botocore freezes them.
            method: of HTTP.
            path: after the URL of the bucket, encoded, with its query.
            headers: all others of the request; they are signed but for those that proxies change.
            payload: SHA-256 of the body, or what stands for it.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers["X-Amz-Date"] = stamp
        headers["X-Amz-Content-SHA256"] = payload
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed.setdefault("host", self._host)
        names = sorted(signed.keys() - _NOT_SIGNED)
        path, _, query = path.partition("?")
        if query:
            query = "&".join(f"{name}={value}" for name, _, value in sorted(p.partition("=") for p in query.split("&")))
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        signed_names = ";".join(names)
        request = f"{method}\n{self._root}{path}\n{query}\n{lines}\n{signed_names}\n{payload}"
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key(credentials.secret_key, stamp[:8]), text.encode(), "sha256").hex()
        who = f"{credentials.access_key}/{scope}"
        headers["Authorization"] = f"{_ALGORITHM} Credential={who}, SignedHeaders={signed_names}, Signature={signature}"

    def _key(self, secret: str, day: str) -> bytes:
        """The key of a day, which is kept."""
        last, key = self._keys
        if last != (secret, day):
            key = f"AWS4{secret}".encode()
            for text in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, text.encode(), "sha256")
            self._keys = ((secret, day), key)
        return key
