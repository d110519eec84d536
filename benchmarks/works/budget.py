"""Byte budgets of the streams whose memory is measured."""

from __future__ import annotations

__all__ = ["BUDGET", "DEFAULT_BUDGET"]

BUDGET = 64 * 2**20
"""Where the size of the array grows."""

DEFAULT_BUDGET = 128 * 2**20
"""The default of ``stream_chunks(max_bytes=)``; tests/benchmarks compares the two."""
