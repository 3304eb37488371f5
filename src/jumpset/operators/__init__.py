"""Linear operators: models of a camera or scanner, differences, neighbourhoods, spectral solves."""

from jumpset.operators.algebra import LinearOp as LinearOp
from jumpset.operators.algebra import LinearOperator as LinearOperator
from jumpset.operators.algebra import Pair as Pair
from jumpset.operators.algebra import adjoint_error as adjoint_error
from jumpset.operators.algebra import operator_norm as operator_norm
from jumpset.operators.foreign import FlatOperator as FlatOperator
from jumpset.operators.foreign import from_deepinv as from_deepinv
from jumpset.operators.fourier import Fourier as Fourier
from jumpset.operators.gradient import divergence as divergence
from jumpset.operators.gradient import gradient as gradient
from jumpset.operators.linear import Blur as Blur
from jumpset.operators.linear import Identity as Identity
from jumpset.operators.linear import Mask as Mask
from jumpset.operators.psf import gaussian_psf as gaussian_psf
from jumpset.operators.psf import motion_psf as motion_psf
from jumpset.operators.radon import FanBeam as FanBeam
from jumpset.operators.radon import Radon as Radon
from jumpset.operators.radon import RaySums as RaySums
from jumpset.operators.sampling import ColorFilterArray as ColorFilterArray
from jumpset.operators.sampling import Downsample as Downsample
