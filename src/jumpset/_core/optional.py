"""Imports of optional libraries: where one is missing, the error says how to install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jumpset._core.errors import MissingLibrary


@contextmanager
def needs(install: str) -> Iterator[None]:
    """Import a library that may be missing.

    Parameters
    ----------
    install
        The argument of ``pip install`` that brings the library: an extra of this package, e.g.
        ``"jumpset[io]"``, or another package.

    Raises
    ------
    MissingLibrary
        An import within the block found no such module.

    Examples
    --------
    >>> with needs("jumpset[io]"):
    ...     from PIL import Image
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingLibrary(error.name or "", install) from error
