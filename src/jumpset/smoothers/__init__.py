"""Published smoothers, one in each file, each an iteration for :func:`jumpset.run`."""

from jumpset.smoothers.bilateral import Bilateral as Bilateral
from jumpset.smoothers.collaborative import Collaborative as Collaborative
from jumpset.smoothers.domain_transform import DomainTransform as DomainTransform
from jumpset.smoothers.fgs import FGS as FGS
from jumpset.smoothers.gsf import GSF as GSF
from jumpset.smoothers.guided import Guided as Guided
from jumpset.smoothers.ils import ILS as ILS
from jumpset.smoothers.l0 import L0Smoothing as L0Smoothing
from jumpset.smoothers.l0_projection import L0Projection as L0Projection
from jumpset.smoothers.pnls import PNLS as PNLS
from jumpset.smoothers.potts import PottsADMM as PottsADMM
from jumpset.smoothers.potts_descent import PottsDescent as PottsDescent
from jumpset.smoothers.region_fusion import RegionFusion as RegionFusion
from jumpset.smoothers.rolling_guidance import RollingGuidance as RollingGuidance
from jumpset.smoothers.rtv import RTV as RTV
from jumpset.smoothers.semi_sparsity import SemiSparsity as SemiSparsity
from jumpset.smoothers.sg_wls import SGWLS as SGWLS
from jumpset.smoothers.structure_texture import StructureTexture as StructureTexture
from jumpset.smoothers.tv import TV as TV
from jumpset.smoothers.whitened import Whitened as Whitened
from jumpset.smoothers.wls import WLS as WLS
