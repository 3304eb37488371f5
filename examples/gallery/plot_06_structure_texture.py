"""
Structure and texture
=====================

Separate an image that is flat in regions from the texture on which it is printed, and draw new
samples of the texture.
"""

import matplotlib.pyplot as plt

import jumpset as js

image, truth = js.datasets.textured(144, 192, seed=4)
panels = {"input": image, "truth": truth}
for name in ("rtv", "gsf", "region-fusion", "structure-texture"):
    result = js.run(image, js.method(name))
    panels[name] = result.image
    print(f"{name:20s}{js.metrics.psnr(result.image, truth):6.2f} dB in {result.elapsed:5.2f} s")

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(panel.clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()

# %%
# ``structure-texture`` estimates the texture's colours and spectrum from this image alone. The last
# ``result`` holds the removed texture and a model from which samples can be drawn.
texture = result.state.texture[0].permute(1, 2, 0).numpy()
model = result.state.textures[0]
more = model.sample(144, 192, seed=1)

fig, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for ax, (title, panel) in zip(
    axes,
    {"true texture": image - truth, "estimated": texture, "new sample": more}.items(),
    strict=True,
):
    ax.imshow((0.5 + 3 * panel).clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()
