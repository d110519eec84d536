"""``asynczarr demo``: the main job on real data, from a package to a picture."""

from __future__ import annotations

from pathlib import Path

import click

from ..command import Command
from ..output import print_json

__all__ = ["demo"]

_STEPS = ["1", "2", "4", "5", "10", "20"]
"""What divides the grid of the data and leaves a picture of full size."""


@click.command(cls=Command)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="demo-output",
    show_default=True,
    help="Folder for the store and the picture.",
)
@click.option(
    "--every",
    type=click.Choice(_STEPS),
    default="1",
    help="Take only every n-th row and column of the data: quicker, and the memory shown means less.",
)
@click.option("--source", type=click.Path(exists=True, dir_okay=False, path_type=Path), hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print the measurements as JSON instead.")
def demo(out: Path, every: str, source: Path | None, as_json: bool) -> None:
    """Write, stream, check and draw a map of the Earth: 933 million cells in bounded memory.

    The data comes with the package global-land-mask. asynczarr writes it as a sharded Zarr v3 store and streams it
    back, zarr-python reads the same, and matplotlib draws it. All of them come with asynczarr[demo].
    """
    from .run import run_demo

    result = run_demo(out, int(every), source, quiet=as_json)
    if as_json:
        print_json(result)
