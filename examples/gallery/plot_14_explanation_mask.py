"""
What a classifier looks at
==========================

Which part of an image suffices for a network's decision? An optimised mask answers. Free to choose single
pixels, it is scattered over the image, and hard to read; with total variation it is a region, which keeps the
decision equally well. A second network, trained from other random weights, is shown what the masks keep.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import jumpset as js

SIDE, SHAPES = 40, ("disc", "square", "triangle", "cross")


def draw(seed: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Return an image with lines, noise and one bright shape; its class; the pixels of the shape."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = 0.1 * rng.standard_normal((SIDE, SIDE))
    for _ in range(3):
        angle, (cx, cy) = rng.uniform(0, np.pi), rng.uniform(8, SIDE - 8, 2)
        on_line = abs(np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)) < 1
        image[on_line] += rng.uniform(-0.3, 0.2)
    kind, r = int(rng.integers(len(SHAPES))), rng.uniform(7, 9)
    dx, dy = (grid - rng.uniform(r + 1, SIDE - r - 1) for grid in (x, y))
    inside = (
        dx**2 + dy**2 < r**2,
        np.maximum(abs(dx), abs(dy)) < 0.86 * r,
        (dy < 0.6 * r) & (dy > -r + 1.9 * abs(dx)),
        (np.minimum(abs(dx), abs(dy)) < 0.35 * r) & (np.maximum(abs(dx), abs(dy)) < r),
    )[kind]
    return image + rng.uniform(0.4, 0.7) * inside, kind, inside


def dataset(count: int, start: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images ``(B, 1, H, W)``, their classes and the pixels of their shapes."""
    images, kinds, inside = zip(*(draw(start + k) for k in range(count)), strict=True)
    return (
        torch.from_numpy(np.stack(images)).float()[:, None],
        torch.tensor(kinds),
        torch.from_numpy(np.stack(inside))[:, None],
    )


# %%
# Two small networks learn the four classes.
x_train, y_train, _ = dataset(1200, 0)
x_test, y_test, shape_test = dataset(200, 10_000)


def classifier(seed: int) -> nn.Module:
    """Train four convolutions and a maximum over the image."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU()),
        *(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, len(SHAPES))),
    )
    adam = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 5e-3, total_steps=300)
    for _ in range(300):
        batch = torch.randint(len(x_train), (32,))
        loss = nn.functional.cross_entropy(net(x_train[batch]), y_train[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    return net.eval()


net, judge = classifier(0), classifier(1)
with torch.no_grad():
    is_right = [one(x_test).argmax(1) == y_test for one in (net, judge)]
print("right on the test images:", *(f"{float(one.float().mean()):.0%}" for one in is_right))
right = is_right[0] & is_right[1]
x, y, shape = x_test[right][:24], y_test[right][:24], shape_test[right][:24]

# %%
# ``js.explain.mask`` finds a mask of a given area. With L1, the area alone is prescribed: the mask is
# optimised pixel by pixel. Integrated gradients need no optimisation: the gradient, summed along the way from
# the reference to the image, times their difference; its largest values form the mask.
AREAS = (0.04, 0.08, 0.16, 0.32)
blurred = js.operators.Blur.gaussian(0.1 * SIDE)(x)


def largest(saliency: torch.Tensor, area: float) -> torch.Tensor:
    """Return the mask of the largest values of each image."""
    values = saliency.flatten(1)
    chosen = values.topk(round(area * values.shape[1]), dim=1).indices
    return torch.zeros_like(values).scatter(1, chosen, 1.0).reshape(saliency.shape)


def integrated_gradients() -> torch.Tensor:
    """Sundararajan, Taly, Yan, ICML 2017, with 32 points."""
    total = torch.zeros_like(x)
    for share in (torch.arange(32) + 0.5) / 32:
        place = (blurred + share * (x - blurred)).requires_grad_()
        net(place).log_softmax(1).gather(1, y[:, None]).sum().backward()
        total += place.grad / 32
    return (total * (x - blurred)).sum(1, keepdim=True)


masks, rankings = {}, {}
for name, penalty in {"TotalVariation": js.TotalVariation(), "L1": js.L1()}.items():
    found = {area: js.explain.mask(net, x, area=area, penalty=penalty, target=y) for area in AREAS}
    rankings[name] = sum(one.mask for one in found.values())
    masks[name] = {area: largest(one.mask, area) for area, one in found.items()}
rankings["integrated gradients"] = integrated_gradients()
masks["integrated gradients"] = {area: largest(rankings["integrated gradients"], area) for area in AREAS}

# %%
# All masks are made binary, so that they have the same area, and the networks see the blurred image outside.
# ``kept`` is the mean probability of the class.


@torch.no_grad()
def probability(network: nn.Module, mask: torch.Tensor) -> float:
    """Return the mean probability of the class if only the mask is seen."""
    seen = blurred + mask * (x - blurred)
    return float(network(seen).softmax(1).gather(1, y[:, None]).mean())


print("nothing kept:", *(f"{probability(one, torch.zeros_like(x)):.2f}" for one in (net, judge)))
print(f"{'area':>26s}{'kept':>8s}{'by the second':>15s}{'on the shape':>14s}{'regions':>9s}{'isolated':>10s}")
for area in AREAS:
    for name, of in masks.items():
        mask = of[area]
        found = [js.metrics.contiguity(one[0].numpy()) for one in mask]
        regions = np.mean([one.n_components for one in found])
        isolated = np.mean([one.isolated_fraction for one in found])
        on_shape = float((mask * shape).sum() / mask.sum())
        kept, transferred = probability(net, mask), probability(judge, mask)
        print(
            f"{name:22s}{area:.2f}{kept:8.2f}{transferred:15.2f}{on_shape:14.0%}{regions:9.1f}{isolated:10.1%}"
        )

# %%
# Insertion reveals the pixels in the order of the masks (those of smaller areas first), deletion hides them;
# the table has the areas below these curves.
print(f"{'':22s}{'insertion':>10s}{'deletion':>10s}    the same of the second network")
for name, ranking in rankings.items():
    curves = [js.explain.insertion_deletion(one, x, ranking, target=y) for one in (net, judge)]
    own, other = ([float(c.insertion_auc.mean()), float(c.deletion_auc.mean())] for c in curves)
    print(f"{name:22s}{own[0]:10.3f}{own[1]:10.3f}{'':10s}{other[0]:10.3f}{other[1]:10.3f}")

# %%
# Four images, and the masks of area 0.16 in red.
fig, axes = plt.subplots(4, 4, figsize=(9, 9), layout="constrained")
for row, k in zip(axes, range(4), strict=True):
    for ax, (name, of) in zip(row, {"image": None, **masks}.items(), strict=True):
        gray = (0.3 + 0.7 * x[k, 0].numpy()).clip(0, 1)
        shown = np.repeat(gray[..., None], 3, axis=-1)
        if of is not None:
            inside = of[0.16][k, 0].numpy() > 0
            shown[inside] = 0.5 * shown[inside] + 0.5 * np.array([0.85, 0.1, 0.1])
        ax.imshow(shown)
        ax.set_title(name if of is not None else SHAPES[y[k]], fontsize=10)
        ax.set_axis_off()

# %%
# At equal area, the masks of total variation have a few regions, and more of their pixels lie on the shape;
# those of L1 have five to thirty times as many regions. Both keep the decision. The scores do not see the
# difference: insertion is as high for L1, whose masks the second network accepts, too. Integrated gradients
# find what the network cannot do without (the lowest deletion), not what suffices.
