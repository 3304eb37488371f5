"""The app: a page on this machine that smooths an image with a slider, `jumpset app`, and its widget."""

import lazy_loader as _lazy

# the server and the widget need different extras
__getattr__, __dir__, __all__ = _lazy.attach(__name__, submod_attrs={"server": ["serve"]})
