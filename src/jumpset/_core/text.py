"""Values that are written as text, in options and labels."""

from __future__ import annotations

import ast
from typing import Any


def as_value(text: str) -> Any:
    """Return the Python literal that a text holds, such as ``50`` or ``False``; else the text."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
