"""The page about telemetry: its tables are those of the code, and nothing in the code is missing from them."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path

from asynczarr.telemetry import events
from asynczarr.telemetry.measures import RULES

DOCS = Path(__file__).parents[2] / "docs"


def _tables():
    spec = importlib.util.spec_from_file_location("docs_tables", DOCS / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _event_classes() -> list[type[events.Event]]:
    public = [getattr(events, name) for name in events.__all__]
    return [kind for kind in public if isinstance(kind, type) and issubclass(kind, events.Event)]


def test_the_tables_are_up_to_date() -> None:
    tables = _tables()
    page = tables.PAGE.read_text()
    assert tables.written(page) == page, "run: python docs/tables.py"


def test_every_event_is_in_a_table() -> None:
    tables = _tables()
    listed = [kind for layer in tables.LAYERS for kind in tables.event_classes(layer)]
    assert set(listed) == set(_event_classes()) - {events.Event}
    page = tables.PAGE.read_text()
    assert all(f"| `{kind.__name__}` |" in page for kind in listed)


def test_every_field_is_explained_and_nothing_else() -> None:
    for kind in _event_classes():
        assert set(_tables().meanings(kind)) == {item.name for item in fields(kind)}, kind


def test_events_that_the_page_names_exist() -> None:
    page = (DOCS / "telemetry.md").read_text()
    named = re.findall(r"`(?:events\.)?([A-Z][a-z]+[A-Z]\w+)`", page)
    assert named
    allowed = set(events.__all__) | {"FilesystemStore"}
    assert set(named) <= allowed


def test_everything_that_takes_time_or_moves_bytes_is_measured() -> None:
    timed = {kind for kind in _event_classes() if "duration" in kind.__dataclass_fields__}
    assert timed <= set(RULES)
