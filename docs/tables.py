"""Write the tables of telemetry.md from the code: ``python docs/tables.py``. A test sees that they are up to date."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from asynczarr.telemetry import events
from asynczarr.telemetry.measures import INSTRUMENTS
from asynczarr.telemetry.prometheus import metric_name

PAGE = Path(__file__).with_name("telemetry.md")

LAYERS = {
    "request": "Stores and middleware",
    "chunk": "Chunks and codecs",
    "stream": "Streams",
    "array": "Arrays",
}


def event_classes(layer: str) -> list[type[events.Event]]:
    """The public events of one module of ``asynczarr.telemetry.events``, in its order."""
    public = [getattr(events, name) for name in events.__all__]
    return [kind for kind in public if inspect.isclass(kind) and kind.__module__.rpartition(".")[2] == layer]


def when(kind: type) -> str:
    """The first paragraph of a docstring."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())


def meanings(kind: type) -> dict[str, str]:
    """What the docstrings of an event and its bases say of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "").partition("Attributes:\n")[2]
        for name, meaning in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE):
            found[name] = " ".join(meaning.split())
    return found


def event_table() -> Iterator[str]:
    """A table of events and one of their fields, for each layer."""
    common = {item.name for item in fields(events.Event)}
    for layer, title in LAYERS.items():
        yield f"### {title}\n\n| Event | When | Fields |\n|---|---|---|"
        explained: dict[tuple[str, str], None] = {}
        for kind in event_classes(layer):
            names = [item.name for item in fields(kind) if item.name not in common]
            explained |= dict.fromkeys((name, meanings(kind)[name]) for name in names)
            yield f"| `{kind.__name__}` | {when(kind)} | {' '.join(f'`{name}`' for name in names)} |"
        yield "\n| Field | Meaning |\n|---|---|"
        yield from (f"| `{name}` | {meaning} |" for name, meaning in sorted(explained, key=lambda pair: pair[0]))
        yield ""


def metric_table() -> Iterator[str]:
    """All instruments, by both of their names."""
    yield "| OpenTelemetry | Prometheus | Kind | Unit | Measures | Labels |\n|---|---|---|---|---|---|"
    for each in INSTRUMENTS:
        labels = " ".join(f"`{label}`" for label in each.labels)
        prometheus = metric_name(each) + ("_total" if each.kind == "counter" else "")
        yield f"| `{each.name}` | `{prometheus}` | {each.kind} | {each.unit} | {each.text} | {labels} |"


TABLES = {"events": event_table, "metrics": metric_table}


def written(page: str) -> str:
    """The page with the tables as they are now."""
    for name, table in TABLES.items():
        text = f"<!-- {name} -->\n\n" + "\n".join(table()).strip() + f"\n\n<!-- end of {name} -->"
        page, count = re.subn(f"<!-- {name} -->.*<!-- end of {name} -->", lambda _, text=text: text, page, flags=re.S)
        assert count == 1, f"the page has no place for the table of {name}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
