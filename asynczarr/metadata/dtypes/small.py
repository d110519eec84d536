"""The small floats and integers of ``ml_dtypes``, imported when the first one is met."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["is_ml_dtype", "ml_dtype"]


def ml_dtype(name: str) -> np.dtype[Any]:
    """The dtype that ``ml_dtypes`` has under `name`, e.g. ``"bfloat16"``."""
    import ml_dtypes

    scalar: type[np.generic] = getattr(ml_dtypes, name)
    return np.dtype(scalar)


def is_ml_dtype(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype comes from ``ml_dtypes``."""
    return dtype.type.__module__.partition(".")[0] == "ml_dtypes"
