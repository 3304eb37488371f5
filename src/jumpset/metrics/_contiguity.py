"""Connected components of the zeros and the nonzeros of an array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import label

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.metrics._inputs import real_array


# A generated == would raise, as arrays have no truth value; so records are compared by identity.
@dataclass(frozen=True, eq=False)
class Contiguity:
    """The result of :func:`contiguity`. Sizes are in pixels and sorted, largest first.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> x = np.zeros((6, 6))
    >>> x[1:3, 1:3] = 1.0
    >>> x[4, 4] = 1.0  # an isolated pixel
    >>> found = js.metrics.contiguity(x)
    >>> found.n_components, found.component_sizes.tolist()
    (2, [4, 1])
    """

    zero_fraction: float
    """Zero pixels / all pixels."""
    n_components: int
    """8-connected components of the support."""
    component_sizes: np.ndarray
    """``(n_components,)``, int64."""
    n_zero_components: int
    """4-connected components of the zero set."""
    zero_component_sizes: np.ndarray
    """``(n_zero_components,)``, int64."""
    isolated_fraction: float
    """Support pixels without a support pixel among their 8 neighbours / support pixels."""
    perimeter: int
    """4-neighbour edges between the support and the zero set, without the border of the image."""
    largest_zero_region: int
    """``zero_component_sizes[0]``, or 0 where nothing is zero."""


def contiguity(x: ArrayLike, tol: float = 0.0) -> Contiguity:
    """Measure whether the zeros of an array form *regions*, or are scattered pixels.

    The support is ``{p : |x_p| > tol}``. Its components are connected across corners (8 neighbours) and those
    of its complement, the zero set, are not (4 neighbours): with this pair of neighbourhoods a closed curve
    separates its inside from its outside. A contiguous support has few large components, a short perimeter
    for its area, and no isolated pixels.

    Parameters
    ----------
    x
        Two-dimensional array (H, W). For a colour image or a stack of features, pass one channel at a time,
        or a joint magnitude such as ``np.abs(x).max(-1)``.
    tol
        Magnitudes up to ``tol`` count as zero, in the unit of ``x`` itself (integers are not scaled here).

    Returns
    -------
    Contiguity
        ``isolated_fraction`` is 0 if the support is empty.

    Raises
    ------
    InputError
        ``x`` is not two-dimensional, is empty or has non-finite values, or ``tol`` is negative.

    References
    ----------
    Rosenfeld: Connectivity in digital pictures, Journal of the ACM 1970 (the pair of neighbourhoods).

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> x = np.zeros((6, 6))
    >>> x[1:3, 1:3] = 1.0
    >>> x[4, 4] = 1.0  # an isolated pixel
    >>> js.metrics.contiguity(x).isolated_fraction
    0.2
    """
    checks.real("tol", tol, at_least=0)
    array = real_array(x, "x")
    if array.ndim != 2:
        raise InputError(
            "x must have two axes", given=f"shape {array.shape}", do="pass one channel at a time"
        )
    # float64 first: the magnitude of the smallest int8 overflows int8.
    support = np.abs(array.astype(np.float64)) > tol
    sizes = _component_sizes(support, np.ones((3, 3), dtype=bool))
    zero_sizes = _component_sizes(~support, None)
    n_support = int(support.sum())
    return Contiguity(
        zero_fraction=1.0 - n_support / support.size,
        n_components=len(sizes),
        component_sizes=sizes,
        n_zero_components=len(zero_sizes),
        zero_component_sizes=zero_sizes,
        # Components are connected across corners, so an isolated pixel is a component of one pixel.
        isolated_fraction=int((sizes == 1).sum()) / max(n_support, 1),
        perimeter=int((support[1:] != support[:-1]).sum() + (support[:, 1:] != support[:, :-1]).sum()),
        largest_zero_region=int(zero_sizes[0]) if len(zero_sizes) else 0,
    )


def _component_sizes(mask: np.ndarray, structure: np.ndarray | None) -> np.ndarray:
    """Return the sizes of the components, largest first; without a structure pixels have 4 neighbours."""
    labels = np.empty(mask.shape, dtype=np.int32)
    label(mask, structure=structure, output=labels)
    return np.sort(np.bincount(labels.ravel())[1:])[::-1].astype(np.int64)
