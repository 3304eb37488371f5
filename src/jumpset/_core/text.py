"""Values that are written as text, in options and labels, and text that is short."""

from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass
from typing import Any

_LONG = 8  # entries of a tuple that are shown


def as_value(text: str) -> Any:
    """Return the Python literal that a text holds, such as ``50`` or ``False``; else the text."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def brief(value: Any) -> str:
    """Return the ``repr`` of a value; of an array or a tensor, and of long bytes and tuples, the size."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, bytes) and len(value) > _LONG:
        return f"{len(value)} bytes"
    if isinstance(value, (tuple, list)) and len(value) > _LONG:
        return f"{len(value)} values"
    return repr(value)


class Brief:
    """Base of dataclasses whose ``repr`` is one line, with arrays by their dtype and shape."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls) and cls.__repr__ in (_brief_fields, object.__repr__):
            cls.__repr__ = _brief_fields  # before the decorator, which keeps what is there


def _brief_fields(self: Any) -> str:
    if not is_dataclass(self):
        return object.__repr__(self)
    shown = (f"{f.name}={brief(getattr(self, f.name))}" for f in fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"
