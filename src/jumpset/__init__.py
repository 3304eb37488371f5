"""Images that are flat in regions, or empty in regions.

>>> import jumpset as js
>>> flat = js.smooth(js.datasets.coffee(), method="region-fusion", weight=0.02)
"""

import lazy_loader as _lazy

from jumpset._core.version import __version__ as __version__

# The public names are those of the stub beside this file; torch and numba are loaded when the first is used.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
