"""Arrays and groups: open, create, select, read, write, stream, change."""

from __future__ import annotations

from .array import Array
from .copy import CopyReport, copy
from .group import Group
from .hierarchy import Tree
from .node import NodeOptions
from .open import create_array, create_group, open, open_array, open_group  # noqa: A004 - az.open() is the name
from .view import View

__all__ = [
    "Array",
    "CopyReport",
    "Group",
    "NodeOptions",
    "Tree",
    "View",
    "copy",
    "create_array",
    "create_group",
    "open",
    "open_array",
    "open_group",
]
