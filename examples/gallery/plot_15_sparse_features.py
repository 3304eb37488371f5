"""
Sparse features that are contiguous in space
============================================

A sparse autoencoder describes an image by few active features on a grid. L1 and top-k choose each active
feature by itself, so that a texture switches its features on and off from place to place. ``SlidingGroups``
sums over windows of the grid and blocks of channels: features are active together, in regions.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import jumpset as js

CHANNELS, BLOCK, TOP = 48, 4, 4  # features, features per block, active features of a place for top-k


def images(count: int, start: int) -> torch.Tensor:
    """Return gray textured images ``(B, 1, 64, 64)`` without their mean."""
    made = [js.datasets.textured(64, 64, channels=1, seed=start + k)[0] for k in range(count)]
    x = torch.from_numpy(np.stack(made)).float().reshape(count, 1, 64, 64)
    return x - x.mean((2, 3), keepdim=True)


class Autoencoder(nn.Module):
    """Features of windows of 8×8 pixels, every 4 pixels; the filters of the decoder have norm 1."""

    def __init__(self, top: int | None = None) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, CHANNELS, 8, stride=4, padding=2)
        self.filters = nn.Parameter(self.encoder.weight.detach().clone())
        self.top = top

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features ``(B, CHANNELS, 16, 16)`` and the reconstruction."""
        z = self.encoder(x).relu()
        if self.top is not None:  # the largest features of each place
            z = z * (z >= z.topk(self.top, dim=1).values[:, -1:])
        filters = nn.functional.normalize(self.filters.flatten(1)).reshape(self.filters.shape)
        return z, nn.functional.conv_transpose2d(z, filters, stride=4, padding=2)


# %%
# The penalty sees each block of channels as an image of its own, whose channels share a group; no other code
# is needed. The weights give 8 % active features, as top-k has, and grow during the first half of the
# training: the full weight at once would leave many features dead.


def blocks(z: torch.Tensor) -> torch.Tensor:
    """Return ``(B · blocks, BLOCK, H, W)``."""
    return z.unflatten(1, (-1, BLOCK)).flatten(0, 1)


PENALTIES = {
    "L1": (js.L1(), 0.23),
    "top-k": (None, 0.0),
    "sliding groups": (js.SlidingGroups(3), 0.13),
    "sliding groups, log": (js.SlidingGroups(3, phi="log", scale=0.2), 0.18),
}


def train(penalty: js.Penalty | None, weight: float, x: torch.Tensor, steps: int = 400) -> Autoencoder:
    """Minimise the squared error and the penalty."""
    torch.manual_seed(0)
    net = Autoencoder(TOP if penalty is None else None)
    adam = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 5e-3, total_steps=steps)
    criterion = js.PenaltyLoss(penalty or js.L1(), weight, schedule=lambda step: min(1.0, 2 * step / steps))
    for _ in range(steps):
        batch = x[torch.randint(len(x), (16,))]
        z, output = net(batch)
        loss = (output - batch).square().mean() + criterion(blocks(z))
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
        criterion.step()
    return net


# %%
# The features of held-out images. ``explained`` is the share of the energy of the images that is
# reconstructed. A feature is dead if it is never active; ``isolated`` is the share of the active features
# whose eight neighbours on the grid are not active, ``regions`` the number of connected regions per image
# and living feature, and ``neighbours`` the share of active features that are active at the left, too.
train_images, test_images = images(128, 0), images(32, 1000)
spread = float(test_images.square().mean())
features = {}
print(
    f"{'':22s}{'active':>8s}{'explained':>11s}{'dead':>6s}{'isolated':>10s}{'regions':>9s}{'neighbours':>12s}"
)
for name, (penalty, weight) in PENALTIES.items():
    net = train(penalty, weight, train_images)
    with torch.no_grad():
        z, output = net(test_images)
    features[name] = z
    alive = (z > 0).any(0).flatten(1).any(1)
    maps = [js.metrics.contiguity(one.numpy()) for one in z[:, alive].flatten(0, 1)]
    active = sum(int(one.component_sizes.sum()) for one in maps)
    isolated = sum(int((one.component_sizes == 1).sum()) for one in maps) / active
    regions = sum(one.n_components for one in maps) / len(maps)
    on = (z > 0).float()
    again = float((on[..., 1:] * on[..., :-1]).sum() / on[..., 1:].sum())
    error = float((output - test_images).square().mean())
    print(
        f"{name:22s}{float(on.mean()):8.1%}{1 - error / spread:11.1%}{int((~alive).sum()):6d}"
        f"{isolated:10.1%}{regions:9.1f}{again:12.1%}"
    )

# %%
# One image, and its six strongest features: the colour is the activity, and white is zero.
fig, axes = plt.subplots(len(features), 7, figsize=(12, 7), layout="constrained")
for row, (name, z) in zip(axes, features.items(), strict=True):
    row[0].imshow(test_images[3, 0], cmap="gray")
    row[0].set_title(name, fontsize=10)
    strongest = z[3].flatten(1).sum(1).topk(6).indices
    for ax, k in zip(row[1:], strongest, strict=True):
        shown = z[3, k].numpy()
        ax.imshow(np.where(shown > 0, shown, np.nan), cmap="viridis", vmin=0)
    for ax in row:
        ax.set_xticks([])
        ax.set_yticks([])

# %%
# At equal sparsity, concave groups leave one in twelve of the isolated features of L1, explain more of the
# images, and have a few dead features. Top-k explains the most, since nothing shrinks its features, and is
# nearly as scattered as L1. Convex groups shrink strong features too, which costs reconstruction. The figure
# shows the price of groups: the features of a block are active at the same places and resemble each other.
