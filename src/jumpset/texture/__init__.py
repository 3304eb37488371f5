"""A stationary model of texture and coloured noise: estimated from one image, used by the smoothers."""

from jumpset.texture.estimate import estimate_texture as estimate_texture
from jumpset.texture.model import Texture as Texture
