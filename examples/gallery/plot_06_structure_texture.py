"""
Structure and texture
=====================

A picture that is flat in regions but printed on something: take the two apart, and make more of the
texture.
"""

import matplotlib.pyplot as plt

import jumpset as js

picture, truth = js.datasets.textured(144, 192, seed=4)
panels = {"picture": picture, "truth": truth}
for name in ("rtv", "gsf", "region-fusion", "structure-texture"):
    result = js.run(js.method(name), picture)
    panels[name] = result.image
    print(f"{name:20s}{js.metrics.psnr(result.image, truth):6.2f} dB in {result.elapsed:5.2f} s")

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image.clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()

# %%
# ``structure-texture`` has learned the texture from this picture alone: its colours and its spectrum.
# The last ``result`` holds the texture that was taken away, and a model that makes more of it.
texture = result.state.texture[0].permute(1, 2, 0).numpy()
model = result.state.textures[0]
more = model.sample(144, 192, seed=1)

fig, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for ax, (title, image) in zip(
    axes,
    {"texture of the picture": picture - truth, "found": texture, "more of the same": more}.items(),
    strict=True,
):
    ax.imshow((0.5 + 3 * image).clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()
