"""
A photograph as SVG
===================

A region tree draws any of its partitions with lines and curves that neighbouring regions share.
"""

import matplotlib.pyplot as plt

import jumpset as js

image = js.datasets.coffee()
tree = js.RegionTree(image)


class Drawing:
    """Show SVG in this page."""

    def __init__(self, text):
        self.text = text

    def _repr_html_(self):
        return self.text


def drawing(n_regions, **options):
    text = tree.to_svg(n_regions=n_regions, **options)
    print(f"{text.count('<path')} paths, {len(text) / 1000:.0f} kB")
    return Drawing(text)


# %%
# 50 regions:
drawing(50)

# %%
# 200 regions, of at least 20 pixels each, in twelve colours:
drawing(200, min_size=20, n_colors=12)

# %%
# 1000 regions:
drawing(1000)

# %%
# ``n_regions=(50, 200, 1000)`` draws the 1000 regions in nested groups ``<g>``, so that an editor can select
# the parts of a region. ``tree.to_svg("cup.svg", n_regions=200)`` writes a file; on the command line,
# ``jumpset vectorize in.png out.svg --regions 200`` does so.
#
# ``regions.table`` measures regions, as ``skimage.measure.regionprops_table``.
labels = tree.labels(n_regions=50)
rows = js.regions.table(labels, image)
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.scatter(rows["area"], rows["perimeter"], s=12)
ax.set_xscale("log")
ax.set_yscale("log")
ax.set_xlabel("area in pixels")
ax.set_ylabel("boundary in pixel sides")
