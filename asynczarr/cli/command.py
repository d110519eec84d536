"""What every command has: errors in one line, ``--debug``, ``--json``, and arguments that say where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

import click

from ..errors import AsyncZarrError
from .output import printable

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "Command",
    "Decorator",
    "json_option",
    "path_argument",
    "run",
    "url_argument",
]

T = TypeVar("T")

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
"""What adds an argument or option to a command."""

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
"""As a shell reports a program that was ended by SIGINT."""

_DEBUG = f"{__name__}.debug"


def _keep_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_DEBUG] = value


def _relative(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    return value.strip("/")


class Command(click.Command):
    """A command whose failures are one line on stderr and exit code 1; ``--debug`` shows the traceback instead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                callback=_keep_debug,
                help="Show the traceback of a failure.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it may meet in a store or file becomes a message."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends the program quietly
        except (AsyncZarrError, OSError) as error:
            if ctx.meta[_DEBUG]:
                raise
            raise click.ClickException(_one_line(error)) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)


def _one_line(error: Exception) -> str:
    kind = "" if isinstance(error, OSError) and not isinstance(error, AsyncZarrError) else f"{type(error).__name__}: "
    return printable(f"{kind}{error}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    import rich.progress  # noqa: F401 - reads files when it is first imported: here, and not on the event loop

    return asyncio.run(work)


url_argument: Decorator = click.argument("url")
path_argument: Decorator = click.argument("path", default="", callback=_relative)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
