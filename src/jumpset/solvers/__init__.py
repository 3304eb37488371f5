"""Solvers of ``½‖A u − f‖² + weight · R(u)`` for any penalty R with a prox, for :func:`jumpset.run`."""

from jumpset.operators.algebra import LinearOp as LinearOp
from jumpset.operators.algebra import Pair as Pair
from jumpset.operators.algebra import adjoint_error as adjoint_error
from jumpset.operators.linear import Blur as Blur
from jumpset.operators.linear import Identity as Identity
from jumpset.operators.linear import Mask as Mask
from jumpset.operators.sampling import Downsample as Downsample
from jumpset.solvers.admm import ADMM as ADMM
from jumpset.solvers.douglas_rachford import DouglasRachford as DouglasRachford
from jumpset.solvers.fista import FISTA as FISTA
from jumpset.solvers.pdhg import PDHG as PDHG
from jumpset.solvers.quadratic import ConjugateGradient as ConjugateGradient
from jumpset.solvers.quadratic import Spectral as Spectral
