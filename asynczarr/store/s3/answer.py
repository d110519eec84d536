"""How a key is written in a request, and answers that are not about a key."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import Unavailable

if TYPE_CHECKING:
    from ..network.exchange import Answer

__all__ = ["quoted", "there"]


def there(answer: Answer | None) -> Answer:
    """An answer to a request that is not about a key.

    Raises:
        Unavailable: a 404 for a key that is missing.
    """
    if answer is None:
        raise Unavailable("S3 answered 404")
    return answer


def quoted(key: str) -> str:
    """A key as S3 wants it in a URL and in a signature."""
    return quote(key, safe="/-_.~")
