"""The errors and warnings of the package: each says what is wrong, what was given, and what to do."""

from __future__ import annotations

from typing import Any


class JumpsetError(Exception):
    """Base of all errors of this package.

    Examples
    --------
    >>> import jumpset as js
    >>> issubclass(js.InputError, js.JumpsetError)
    True
    """


class InputError(JumpsetError, ValueError):
    """An invalid argument, image or parameter.

    Parameters
    ----------
    what
        What is wrong, as a clause without a full stop.
    given
        What was given.
    do
        What to do instead.

    Examples
    --------
    >>> import jumpset as js
    >>> try:
    ...     js.method("no such method")
    ... except js.InputError as error:
    ...     print(type(error).__name__)
    InputError
    """

    def __init__(self, what: str, *, given: object, do: str) -> None:
        self.what: str = what
        self.given: object = given
        self.do: str = do
        super().__init__(f"{what}; given {given}; {do}")


class FileError(InputError):
    """A file that cannot be read or written.

    Parameters
    ----------
    what
        What is wrong.
    given
        The value or the path.
    do
        What to do.

    Examples
    --------
    >>> import jumpset as js
    >>> try:
    ...     js.io.read_picture("no such file.png")
    ... except js.FileError as error:
    ...     print(type(error).__name__)
    FileError
    """


class MissingLibrary(JumpsetError, ModuleNotFoundError):
    """An optional library that is not installed.

    Parameters
    ----------
    library
        The module that was not found.
    install
        The argument of ``pip install`` that brings it, e.g. ``"jumpset[io]"``.

    Examples
    --------
    >>> import jumpset as js
    >>> print(js.MissingLibrary("dask", "jumpset[dask]"))
    dask is not installed; pip install 'jumpset[dask]'
    """

    def __init__(self, library: str, install: str) -> None:
        self.install = install
        super().__init__(f"{library} is not installed; pip install '{install}'", name=library)


class NoProx(JumpsetError, NotImplementedError):
    """The package has no proximal operator of the penalty."""


class TrainingDiverged(JumpsetError, ArithmeticError):
    """The loss of a training became infinite or NaN, and did not recover."""


class RangeWarning(UserWarning):
    """An image uses little of its range, or its answer is constant: the range or the weight does not fit."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during :func:`jumpset.smooth`; ``.result`` holds the best image so far.

    Parameters
    ----------
    result
        The result at the interruption.

    Examples
    --------
    >>> import jumpset as js
    >>> issubclass(js.Interrupted, KeyboardInterrupt)
    True
    """

    def __init__(self, result: Any) -> None:
        self.result = result
        super().__init__(
            f"interrupted after {result.n_steps} steps; the best image so far is in .result.image"
        )
