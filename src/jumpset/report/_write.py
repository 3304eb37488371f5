"""``write_report``: checks of the arguments, and the file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jumpset._core.errors import InputError
from jumpset.report._page import Subject, page
from jumpset.report.files import check_text_path, write_text

if TYPE_CHECKING:
    from jumpset.running.run import Result


def write_report(
    path: str | os.PathLike[str],
    results: Result | Mapping[str, Result],
    *,
    picture: np.ndarray,
    truth: np.ndarray | None = None,
    name: str = "",
    command: str = "",
    alpha: bool | None = None,
    value_range: tuple[float, float] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML file about the results of one or more methods on an image.

    The file has the images before and after with a movable divider, differences ``128 + k (u - f)`` and
    gradient magnitudes ``√(Σ (∂u)²)``, the curves of the history, PSNR and SSIM if a truth is given, the
    l0 energies ``E_pix`` and ``E_edge`` at the method's weight, its parameters, the command and the versions.
    The file loads nothing from elsewhere. Only the divider needs JavaScript; an address such as
    ``report.html#slider=25&method=l0&left=Truth&zoom=2`` sets its state.

    Parameters
    ----------
    path
        A file that ends in ``.html`` or ``.htm``; replaced only by a complete file.
    results
        What :func:`jumpset.run` returned for ``picture``; several as a mapping from their displayed names.
    picture
        The input of the methods: (H, W) or (H, W, C), any bool, integer or float dtype.
    truth
        The true image, of the same shape and dtype.
    name
        Heading of the page, e.g. the file name.
    command
        The command that produced the results.
    alpha
        Whether the last band is alpha, as in :func:`jumpset.run`; alpha is neither shown nor scored.
    value_range
        The values of intensity 0 and 1, as in :func:`jumpset.run`.
    notes
        Further sentences for the page.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileError
        The path does not end in ``.html`` or ``.htm``, or cannot be written.
    InputError
        There is no result; an image is not an array of the right shape and dtype; a name is empty, ``Input``
        or ``Truth``, which the page reserves.

    Notes
    -----
    Images larger than 1600 pixels are reduced for display; scores use the full size. If there are more than
    three bands, the first three are shown. Values outside [0, 1] are rescaled for display, with a note.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "report.html"
    >>> image = js.datasets.coffee()[:32, :48]
    >>> written = js.report.write_report(path, js.run(image, js.method("fgs")), picture=image)
    >>> path.exists()
    True
    """
    target = check_report_path(path)
    if not isinstance(results, Mapping):
        results = {getattr(results.method, "name", "result"): results}
    _check_names(results)
    before = _without_alpha("picture", picture, alpha)
    after = {
        label: _without_alpha(f"the result of {label}", result.image, alpha)
        for label, result in results.items()
    }
    goal = None if truth is None else _without_alpha("truth", truth, alpha)
    for label, array in [*after.items(), *([] if goal is None else [("truth", goal)])]:
        if (array.shape, array.dtype) != (before.shape, before.dtype):
            raise InputError(
                f"{label} and picture must have one shape and dtype",
                given=f"{array.dtype} {array.shape} and {before.dtype} {before.shape}",
                do="pass the image that was run, and a truth of its shape and dtype",
            )
    shown_notes = [*notes]
    if before.shape != picture.shape:
        shown_notes.append("The alpha channel is unchanged; it is neither shown nor scored.")
    subject = Subject(before, goal, after, dict(results), name, command, value_range, tuple(shown_notes))
    write_text(target, page(subject), "report")
    return target


def check_report_path(path: str | os.PathLike[str]) -> Path:
    """Raise ``FileError`` unless an HTML file can be written there.

    Parameters
    ----------
    path
        Path of an HTML file.

    Returns
    -------
    Path
        The path.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "report.html"
    >>> js.report.check_report_path(path).name
    'report.html'
    """
    return check_text_path(path, "report", (".html", ".htm"))


def _check_names(results: Mapping[str, Any]) -> None:
    if not results:
        raise InputError("a report needs a result", given="none", do="pass a result of jumpset.run")
    for label in results:
        if not isinstance(label, str) or not label.strip() or label in ("Input", "Truth"):
            raise InputError(
                "a result needs a non-empty name other than Input and Truth",
                given=repr(label),
                do="use e.g. the method's name",
            )


def _without_alpha(what: str, array: Any, alpha: bool | None) -> np.ndarray:
    """Return the image without alpha, which is detected as by :func:`jumpset.run`."""
    if (
        not isinstance(array, np.ndarray)
        or array.ndim not in (2, 3)
        or array.size == 0
        or array.dtype.kind not in "buif"
    ):
        raise InputError(
            f"{what} must be a NumPy array (H, W) or (H, W, C)",
            given=f"{type(array).__name__} {getattr(array, 'shape', '')}".strip(),
            do="convert it with np.asarray, one image at a time",
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{what} has non-finite pixels", given="NaN or infinite values", do="replace them")
    if alpha is None:
        alpha = array.ndim == 3 and array.dtype == np.uint8 and array.shape[2] == 4
    return array[..., :-1] if alpha and array.ndim == 3 and array.shape[2] > 1 else array
