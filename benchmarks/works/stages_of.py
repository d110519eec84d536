"""The stages that a chunk passes in a whole read."""

from __future__ import annotations

__all__ = ["STAGES"]

STAGES = ("plan", "hop", "store", "decode", "place")
"""In this order."""
