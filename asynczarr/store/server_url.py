"""URLs of database servers, which may hold a password: read without ever repeating it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from ..errors import KeyInvalid
from .keys import validate_key

__all__ = ["ServerURL"]

_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.DOTALL).fullmatch


@dataclass(frozen=True, slots=True)
class ServerURL:
    """The parts of ``scheme://user:password@host/path?query``, as they were written.

    Attributes:
        scheme: in small letters.
        authority: user, password and hosts.
        path: with its first ``/``.
        query: without the ``?``.
        shown: the URL without user, password and query.
    """

    scheme: str
    authority: str
    path: str
    query: str
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            KeyInvalid: it is none, or it has an ``@`` where a password with a raw ``/``, ``?`` or ``#`` would put it.
        """
        match = _SPLIT(url)
        if match is None or "@" in match[3] + (match[4] or ""):
            scheme = url.partition("://")[0]
            reason = "this is not a URL; in user, password and path write / ? # @ as %2F %3F %23 %40"
            raise KeyInvalid(reason, store=f"{scheme if scheme.isalnum() else '?'}://")
        scheme, authority, path, query = match.groups("")
        shown = f"{scheme.lower()}://{authority.rpartition('@')[2]}{path.rstrip('/')}"
        return cls(scheme.lower(), authority, path, query, shown)

    def prefix(self, text: str) -> str:
        """A percent-encoded prefix from this URL, decoded, with a final ``/`` if it is not empty.

        Raises:
            KeyInvalid: no key may begin with it.
        """
        prefix = unquote(text.strip("/"), errors="surrogateescape")
        if not prefix:
            return ""
        try:
            return validate_key(prefix) + "/"
        except KeyInvalid as error:
            raise error.at(store=self.shown)  # noqa: B904 - the same error, with its place
