"""Write the page of the command line from the commands' own signatures; run by `make docs`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, ParameterInfo

from jumpset.cli.app import app

HEAD = """\
Command line
============

``pip install ".[cli]"`` installs the program ``jumpset``. ``jumpset COMMAND --help`` prints what this
page has; :doc:`/quickstart/command_line` is a tour.
"""


def page() -> str:
    """Return the page: each command with its purpose, arguments and options."""
    commands = [info.callback for info in app.registered_commands if info.callback]
    return "\n".join([HEAD, *map(_section, commands)])


def _section(command: Callable[..., Any]) -> str:
    title = f"jumpset {command.__name__}"
    parameters = list(_parameters(command))
    usage = " ".join([title, "[OPTIONS]", *(shown for shown, _, is_option in parameters if not is_option)])
    lines = [f"{title}\n{'-' * len(title)}\n", _rst(inspect.getdoc(command) or ""), ""]
    lines += [f".. code-block:: text\n\n   {usage}\n", f".. program:: {title}\n"]
    lines += [f".. option:: {shown}\n\n   {text}\n" for shown, text, _ in parameters]
    return "\n".join(lines)


def _parameters(command: Callable[..., Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield how a parameter is written, its help, and whether it is an option."""
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        assert get_origin(hint) is Annotated, f"{command.__name__}: {name} has no help"
        kind, info = get_args(hint)[0], next(a for a in get_args(hint) if isinstance(a, ParameterInfo))
        metavar = info.metavar or _value(kind, name)
        text = _rst(info.help or "")
        if isinstance(info, ArgumentInfo):
            yield metavar, text, False
            continue
        # inside Annotated, typer takes the first name for the default
        names = [n for n in (info.default, *(info.param_decls or ())) if isinstance(n, str)]
        names = names or [f"--{name.replace('_', '-')}"]
        default = info.show_default if isinstance(info.show_default, str) else parameter.default
        if default not in (None, False, inspect.Parameter.empty, (), [], ""):
            text += f" Default: {default if isinstance(info.show_default, str) else f'``{default}``'}."
        value = "" if kind is bool else f" <{metavar}>"
        yield ", ".join(f"{one}{value}" for one in names), text.strip(), True


def _value(kind: Any, name: str) -> str:
    """Return the word that stands for a value of this type."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    kind = get_args(kind)[0] if get_origin(kind) is list else kind
    return {"Path": "FILE", "float": "NUMBER", "int": "INTEGER", "str": "TEXT"}.get(
        getattr(kind, "__name__", ""), name.upper()
    )


def _rst(text: str) -> str:
    """Return the text with options as literals, and with stars as they are."""
    text = text.replace("\b", "").replace("*", r"\*")
    return re.sub(r"(?<![`\w-])(--[a-z][\w-]*)", r"``\1``", text)
