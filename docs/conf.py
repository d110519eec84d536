"""Sphinx configuration. The pages below docs/api are made of ``asynczarr.__all__`` at every build."""

from __future__ import annotations

import inspect
import pkgutil
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

import asynczarr

project = "asynczarr"
author = "The asynczarr developers"
project_copyright = f"2026, {author}"
version = release = installed_version("asynczarr")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"asynczarr {version}"
html_static_path = ["_static"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100

# Builds need no network, so only references to asynczarr itself are looked up, and must be found.
nitpick_ignore_regex = [(r"py:.*", r"(?!asynczarr\b).*")]

# Home of an object (its module below asynczarr) -> page of the API reference.
PAGES = {
    "array": "Arrays and groups",
    "stream": "Streams",
    "selection": "Selections",
    "store": "Stores",
    "middleware": "Middleware",
    "codec": "Codecs",
    "metadata": "Metadata",
    "errors": "Errors",
    "telemetry": "Telemetry",
    "types": "Records and types",
}


def _page_of(name: str) -> str:
    home = getattr(getattr(asynczarr, name), "__module__", None) or ""
    part = home.split(".")[1] if home.startswith("asynczarr.") else "types"
    return part if part in PAGES else "types"


def _names(page: str) -> list[str]:
    """The names of the package that live in a part of it, then what only this part exports."""
    public = [name for name in asynczarr.__all__ if not name.startswith("__")]
    further = [name for name in import_module(f"asynczarr.{page}").__all__ if name not in public]
    return [f"asynczarr.{name}" for name in public if _page_of(name) == page] + [
        f"asynczarr.{page}.{name}" for name in further
    ]


def _directive(path: str) -> str:
    module, _, name = path.rpartition(".")
    value = getattr(import_module(module), name)
    if inspect.isclass(value) and value.__module__.startswith("asynczarr"):  # not an alias such as Version = str
        inherited = "" if issubclass(value, BaseException) else "   :inherited-members:\n"
        return f".. autoclass:: {path}\n   :members:\n{inherited}   :show-inheritance:\n"
    if inspect.isroutine(value):
        return f".. autofunction:: {path}\n"
    return f".. autodata:: {path}\n   :no-value:\n"


def _write_api(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for page, title in PAGES.items():
        text = f"{title}\n{'=' * len(title)}\n\n" + "\n".join(_directive(path) for path in _names(page))
        target = folder / f"{page}.rst"
        if not target.exists() or target.read_text() != text:  # an unchanged page is not built again
            target.write_text(text)


def _public_reference(app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.Node) -> Any:
    """Lead a reference to where an object is defined, or to its bare name, to the public name that documents it.

    What exists but is not public (the type of an attribute, say) becomes plain text; what does not exist is a warning.
    """
    module, target = node.get("py:module") or "", node.get("reftarget") or ""
    if not f"{module}.{target}".lstrip(".").startswith("asynczarr"):
        return None
    documented = env.domains.python_domain.objects
    *_, owner, name = ["", *target.split(".")]
    for public in (f"asynczarr.{owner}.{name}", f"asynczarr.{name}"):
        if public in documented:
            entry = documented[public]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, public)
    with suppress(ImportError, AttributeError, ValueError):
        pkgutil.resolve_name(target)
        return content
    return None


def _keep_first_line(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes "words: more words" in the first line about an attribute for its type; it is a sentence here."""
    if what in {"attribute", "data", "property"}:
        lines.insert(0, "")


def setup(app: Sphinx) -> None:
    """Connect the hooks."""
    app.connect("builder-inited", _write_api)
    app.connect("missing-reference", _public_reference)
    app.connect("autodoc-process-docstring", _keep_first_line, priority=400)  # before napoleon
