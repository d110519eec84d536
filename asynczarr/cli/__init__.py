"""The command ``asynczarr``; its libraries come with ``pip install 'asynczarr[cli]'``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> int:
    """Run the command line program on ``sys.argv``.

    Returns:
        The exit code 2 if the libraries are missing; otherwise the program ends with ``SystemExit``.
    """
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"asynczarr: the command line needs {' and '.join(missing)}: python -m pip install 'asynczarr[cli]'\n"
        )
        return 2
    from .app import app

    app(prog_name="asynczarr")
    return 0
