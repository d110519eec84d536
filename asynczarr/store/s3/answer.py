"""How a key is written in a request, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from ...errors import Unavailable

__all__ = ["Answer", "quoted", "there"]


class Answer(NamedTuple):
    """What came back."""

    headers: Mapping[str, str]
    body: bytes


def there(answer: Answer | None) -> Answer:
    """An answer to a request that is not about a key.

    Raises:
        Unavailable: a 404 without a reason.
    """
    if answer is None:
        raise Unavailable("S3 answered 404")
    return answer


def quoted(key: str) -> str:
    """A key as S3 wants it in a URL and in a signature."""
    return quote(key, safe="/-_.~")
