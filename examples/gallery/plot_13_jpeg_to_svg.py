"""
Clip art from a JPEG file to SVG
================================

JPEG surrounds every edge with ringing, which becomes many small regions. ``dejpeg`` removes it before the
tree is built.
"""

import matplotlib.pyplot as plt

import jumpset as js

truth = js.datasets.shapes(144, 192, seed=1003)
damaged = js.datasets.jpeg(truth, quality=10)
restored = js.smooth(damaged, "dejpeg")
images = {"truth": truth, "JPEG, quality 10": damaged, "dejpeg": restored}

# %%
# One weight for all three; the number of paths shows what the artifacts cost.
drawings = {}
for name, image in images.items():
    tree = js.RegionTree(image.clip(0, 1))
    drawings[name] = tree.to_svg(weight=0.1)
    print(f"{name}: {drawings[name].count('<path')} paths, {len(drawings[name]) / 1000:.1f} kB")


class Drawing:
    """Show SVG in this page, enlarged."""

    def __init__(self, text):
        self.text = text.replace('width="192" height="144"', 'width="576"')

    def _repr_html_(self):
        return self.text


# %%
# From the JPEG:
Drawing(drawings["JPEG, quality 10"])

# %%
# With ``dejpeg``:
Drawing(drawings["dejpeg"])

# %%
# The image, for comparison:
fig, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
ax.imshow(damaged.clip(0, 1), interpolation="nearest")
ax.set_axis_off()
