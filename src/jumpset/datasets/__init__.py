"""Test and training images: a photograph, synthetic images with ground truth, corruptions, folders."""

from jumpset.datasets._benchmark import PairLike as PairLike
from jumpset.datasets._benchmark import SyntheticPair as SyntheticPair
from jumpset.datasets._benchmark import synthetic_pairs as synthetic_pairs
from jumpset.datasets._corruptions import add_noise as add_noise
from jumpset.datasets._corruptions import jpeg as jpeg
from jumpset.datasets._marks import marks as marks
from jumpset.datasets._pictures import coffee as coffee
from jumpset.datasets._structures import structure as structure
from jumpset.datasets._synthetic import shapes as shapes
from jumpset.datasets._synthetic import textured as textured
from jumpset.datasets._textures import texture as texture
from jumpset.datasets.folders import Pair as Pair
from jumpset.datasets.folders import pairs as pairs
from jumpset.datasets.synthesis import batches as batches
from jumpset.datasets.synthesis import synthetic as synthetic
