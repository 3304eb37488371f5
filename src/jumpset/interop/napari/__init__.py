"""The napari plugin: smooth a layer, and labels of its regions with a slider.

The functions need no napari; the widgets, which ``napari.yaml`` names, do.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__, submod_attrs={"arrays": ["PlaneTrees", "smooth_layer"], "widgets": ["Regions", "Smooth"]}
)
