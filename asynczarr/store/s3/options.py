"""How to reach a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["AddressingStyle", "S3Options"]

AddressingStyle: TypeAlias = Literal["auto", "virtual", "path"]


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach a bucket; see the arguments of ``S3Store``."""

    bucket: str
    endpoint_url: str | None = None
    region: str | None = None
    anonymous: bool = False
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    addressing_style: AddressingStyle | None = None
    verify: bool | str | None = None
    max_connections: int = 64
    connect_timeout: float = 5.0
    headers: Mapping[str, str] = field(default_factory=dict)
