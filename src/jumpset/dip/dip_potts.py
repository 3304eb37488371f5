"""The deep image prior with the Potts energy, by ADMM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jumpset._core.types import component
from jumpset.dip.dip_l0 import DIPl0
from jumpset.dip.initialize import check_solver
from jumpset.smoothers.potts import PottsADMM
from jumpset.smoothers.potts_descent import PottsDescent


@dataclass(frozen=True)
class DIPPotts(DIPl0):
    r"""Deep image prior with the Potts energy: DIP-l0 with an energy solver in place of region fusion.

    Looks for weights θ of a network g of a fixed input z, and an image v, with a small value of

    .. math:: \| A g_\theta(z) - f \|^2 + \text{weight} \, \| \nabla v \|_0
              \quad \text{subject to} \quad v = g_\theta(z)

    by the ADMM of :class:`DIPl0`. Its step for v is here the solver with the lowest Potts energies in the
    package, ``PottsDescent``, or Storath and Weinmann's, ``PottsADMM``.

    Parameters
    ----------
    weight, rho, solver, network, network_input, start, start_blend, outer_steps, inner_steps, step_size
        As in :class:`DIPl0`.
    average, patience, tables, operator, tile, precision, compiled, seed
        As in :class:`DIPl0`.

    Raises
    ------
    InputError
        A parameter out of range, a start of another size, more than one image, or too little memory.
    FileError
        ``tables`` is a file that holds none.

    Notes
    -----
    Tran, Bui & Xin, deep image prior with l0 gradient regularisation, 2026, for the scheme; M. Storath,
    A. Weinmann, "Fast partitioning of vector-valued images", SIIMS 2014, for the Potts energy.
    Differences: (1) the differences of the default of :class:`DIPl0`; (2) the solver.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> result = js.run(image, js.dip.DIPPotts(outer_steps=1))  # a real run has hundreds of steps
    >>> result.image.shape
    (48, 64, 3)
    """

    solver: Any = component(PottsDescent(), check=check_solver)

    name: ClassVar[str] = "dip-potts"
    paper: ClassVar[str] = "after Tran, Bui & Xin, 2026"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "admm": {"solver": PottsADMM()},
        "fast": {"outer_steps": 50, "start_blend": 0.4},
    }
