"""Penalties R(x), one per module: value, loss, gradient, and the proximal operator if there is one."""

from jumpset.penalties.aitv import AITV as AITV
from jumpset.penalties.base import Penalty as Penalty
from jumpset.penalties.connectedness import Connectedness as Connectedness
from jumpset.penalties.graph_net import GraphNet as GraphNet
from jumpset.penalties.huber_tv import Charbonnier as Charbonnier
from jumpset.penalties.huber_tv import HuberTV as HuberTV
from jumpset.penalties.l0 import L0 as L0
from jumpset.penalties.l0_gradient import L0Gradient as L0Gradient
from jumpset.penalties.l1 import L1 as L1
from jumpset.penalties.latent_groups import LatentGroups as LatentGroups
from jumpset.penalties.log_sum import Cauchy as Cauchy
from jumpset.penalties.log_sum import LogSum as LogSum
from jumpset.penalties.mcp import MCP as MCP
from jumpset.penalties.potts import Potts as Potts
from jumpset.penalties.quadtree_groups import QuadtreeGroups as QuadtreeGroups
from jumpset.penalties.scad import SCAD as SCAD
from jumpset.penalties.sliding_groups import SlidingGroups as SlidingGroups
from jumpset.penalties.sparse_group import SparseGroup as SparseGroup
from jumpset.penalties.sparse_tv import SparseTV as SparseTV
from jumpset.penalties.target_area import TargetArea as TargetArea
from jumpset.penalties.tgv import TGV2 as TGV2
from jumpset.penalties.tiled_groups import TiledGroups as TiledGroups
from jumpset.penalties.total_variation import TotalVariation as TotalVariation
from jumpset.penalties.transformed_l1 import TransformedL1 as TransformedL1
from jumpset.penalties.vectorial_tv import VectorialTV as VectorialTV
from jumpset.prox.tv import ProxSolution as ProxSolution
