"""The program and its commands."""

from __future__ import annotations

import click

from .. import __version__
from .cat import cat
from .consolidate import consolidate
from .copy import copy
from .demo import demo
from .info import info
from .listing import ls, tree
from .stream import stream
from .validate import validate

__all__ = ["app"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 failed, or something invalid was found; 2 wrong usage; 130 interrupted.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def app() -> None:
    """Look at, stream, copy and check Zarr arrays and groups.

    URL is a folder, a zip archive (*.zip), or file:///..., zip:///... and whatever schemes are installed; PATH is the
    path of an array or group inside of it.
    """


for _command in (info, tree, ls, cat, stream, copy, validate, consolidate, demo):
    app.add_command(_command)
