"""How a key is written in a request, and what an answer of success has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import Unavailable
from ...types import Version
from .headers import etag_of
from .xml import error_of

if TYPE_CHECKING:
    from ..network.exchange import Answer

__all__ = ["quoted", "stored", "there"]


def there(answer: Answer | None) -> Answer:
    """An answer to a request that is not about a key.

    Raises:
        Unavailable: a 404 for a key that is missing.
    """
    if answer is None:
        raise Unavailable("S3 answered 404")
    return answer


def stored(answer: Answer | None) -> Version:
    """The version that the answer to a PUT tells.

    Raises:
        Unavailable: it tells none, or an error behind the status of success: what became of the write is not known.
    """
    found = there(answer)
    version = etag_of(found.headers)
    code = error_of(found.body)[0] if found.body else ""
    if code or version is None:
        raise Unavailable(f"S3 does not say what it has stored: {code}".rstrip(": "))
    return version


def quoted(key: str) -> str:
    """A key as S3 wants it in a URL and in a signature."""
    return quote(key, safe="/-_.~")
