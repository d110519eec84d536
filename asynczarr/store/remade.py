"""Pickling of what holds connections, locks and threads: another process makes it anew from the same arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

__all__ = ["Reduced", "Remade"]

Reduced: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
"""What ``__reduce__`` returns."""


class _Given:
    """Arguments of a constructor. Some are secret: nothing shows them."""

    __slots__ = ("args", "options")

    def __init__(self, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.args = args
        self.options = options


class Remade:
    """Pickles as the arguments that it was made with, which must be picklable themselves.

    Nothing is connected or read before the first call in the other process. Credentials go with it as far as they were
    given as arguments; what was found in the environment is looked for again over there.
    """

    _given: _Given

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):  # not by __new__, which would hide its signature
            setattr(cls, "__init__", _noting(cls.__init__))  # noqa: B010 - not by assignment, which types forbid

    def __reduce__(self) -> Reduced:
        return _remake, (type(self), self._given.args, self._given.options)

    def _reduced_at(self, path: str, name: str) -> Reduced:
        """With an absolute path as the first argument, whose name it is: the other process may be in another folder."""
        options = {key: each for key, each in self._given.options.items() if key != name}
        return _remake, (type(self), (path, *self._given.args[1:]), options)


def _noting(init: Callable[..., None]) -> Callable[..., None]:
    """The same constructor; the outermost one notes its arguments."""

    @wraps(init)
    def noting(self: Remade, *args: Any, **options: Any) -> None:
        if "_given" not in vars(self):
            self._given = _Given(args, options)
        init(self, *args, **options)

    return noting


def _remake(cls: type[Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return cls(*args, **options)
