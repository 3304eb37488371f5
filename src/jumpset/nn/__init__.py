"""Modules for training: a penalty as a loss, a prox or a partition as a layer, controllers of the weight."""

from jumpset.nn.controllers import RegionCountController as RegionCountController
from jumpset.nn.controllers import ZeroFractionController as ZeroFractionController
from jumpset.nn.loss import PenaltyLoss as PenaltyLoss
from jumpset.nn.partition import PartitionLayer as PartitionLayer
from jumpset.nn.prox import Prox as Prox
