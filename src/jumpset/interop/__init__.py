"""Adapters to other libraries, one module each, which imports its library only when it is used."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__, submodules={"deepinv", "napari", "pyproximal", "skimage", "torchmetrics"}
)
