"""
JPEG artifact removal
=====================

Remove the ringing around the edges of clip art that was stored as JPEG. ``dejpeg`` uses the file's
quantisation intervals; the presets ``clip-art`` need no such knowledge.
"""

import matplotlib.pyplot as plt

import jumpset as js

truth = js.datasets.shapes(144, 192, seed=1003)
image = js.datasets.jpeg(truth, quality=10)
panels = {"JPEG, quality 10": image, "truth": truth}
for name in ("l0", "region-fusion", "gsf", "dejpeg"):
    preset = "clip-art" if "clip-art" in js.methods()[name].presets else None
    panels[f"{name}{' clip-art' if preset else ''}"] = js.smooth(image, name, preset=preset)

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    psnr = js.metrics.psnr(panel, truth)
    ax.imshow(panel[40:120, 60:168].clip(0, 1))
    ax.set_title(title if panel is truth else f"{title}: {psnr:.2f} dB")
    ax.set_axis_off()

# %%
# A JPEG file stores the chroma at half resolution. The deep image prior can take this into account:
# ``js.smooth(image, "dip-l0", tables="in.jpg")`` fits a network through the chroma subsampling and
# projects the result onto the file's quantisation intervals, without training data, in half a minute.
