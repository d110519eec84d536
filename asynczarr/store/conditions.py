"""The conditions of conditional requests, in the same words for every store."""

from __future__ import annotations

from typing import Any

from ..errors import PreconditionFailed
from ..types import Version

__all__ = ["expect", "one_condition"]


def expect(found: Version | None, wanted: Version | None, **place: Any) -> None:
    """Compare the stored version (``None``: the key is missing) with ``if_version=``, if that was given.

    Raises:
        PreconditionFailed: they differ; with `place`.
    """
    if wanted is not None and found != wanted:
        reason = "the key is missing" if found is None else f"the stored version is {found}, not {wanted}"
        raise PreconditionFailed(reason, **place)


def one_condition(create: bool, if_version: Version | None) -> None:
    """Refuse ``create=True`` together with ``if_version=``, which cannot both be true.

    Raises:
        ValueError: both were given.
    """
    if create and if_version is not None:
        raise ValueError("create=True and if_version= exclude each other")
