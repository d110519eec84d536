"""Tables and numbers as they stand on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["mebibytes", "micro", "milli", "ratio", "table"]

NOTHING = "–"  # noqa: RUF001 - a dash in a table


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; all columns but the first are aligned to the right."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return []
    return [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}", *body, ""]


def milli(seconds: float | None) -> str:
    """Milliseconds with three digits."""
    return NOTHING if seconds is None else _digits(1e3 * seconds)


def micro(seconds: float | None) -> str:
    """Microseconds with three digits."""
    return NOTHING if seconds is None else _digits(1e6 * seconds)


def mebibytes(value: float | None) -> str:
    """Whole MiB."""
    return NOTHING if value is None else f"{value / 2**20:.0f}"


def ratio(value: float | None) -> str:
    """Two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
