"""Optional libraries, loaded when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import Unsupported

__all__ = ["needs"]


def needs(module: str, extra: str) -> Any:
    """Import a library that comes with an extra of asynczarr.

    Raises:
        Unsupported: it is not installed; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise Unsupported(f"{module} is not installed: pip install 'asynczarr[{extra}]'") from error
