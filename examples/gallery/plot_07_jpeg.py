"""
Cleaning up JPEG
================

Clip art that was stored as JPEG: the ringing around edges goes, the edges stay. ``dejpeg`` knows what
the file can stand for; the presets ``clip-art`` do without.
"""

import matplotlib.pyplot as plt

import jumpset as js

truth = js.datasets.shapes(144, 192, seed=1003)
picture = js.datasets.jpeg(truth, quality=10)
panels = {"JPEG, quality 10": picture, "truth": truth}
for name in ("l0", "region-fusion", "gsf", "dejpeg"):
    preset = "clip-art" if "clip-art" in js.methods()[name].presets else None
    panels[f"{name}{' clip-art' if preset else ''}"] = js.smooth(picture, name, preset=preset)

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    psnr = js.metrics.psnr(image, truth)
    ax.imshow(image[40:120, 60:168].clip(0, 1))
    ax.set_title(title if image is truth else f"{title}: {psnr:.2f} dB")
    ax.set_axis_off()

# %%
# What a JPEG stores at half resolution is the chroma. The deep image prior can be told:
# ``js.smooth(picture, "dip-l0", tables="in.jpg")`` fits a network through the chroma's subsampling and
# ends among the pictures that the file may stand for, without training data, in half a minute.
