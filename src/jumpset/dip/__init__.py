"""Deep image priors: a network fitted to one image, whose structure is the prior."""

from jumpset.dip.dip import DIP as DIP
from jumpset.dip.dip_aitv import DIPAITV as DIPAITV
from jumpset.dip.dip_correction import DIPCorrection as DIPCorrection
from jumpset.dip.dip_l0 import DIPl0 as DIPl0
from jumpset.dip.dip_potts import DIPPotts as DIPPotts
from jumpset.dip.dip_tv import DIPTV as DIPTV
from jumpset.dip.memory import fit_memory as fit_memory
from jumpset.dip.networks import Architecture as Architecture
from jumpset.dip.networks import architecture as architecture
