"""Region fusion: the kernel equals its definition, its totals and thresholds are correct, weights and edges act."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import jumpset as js
from jumpset.kernels.regions import fusion as kernel
from jumpset.operators.neighborhoods import OFFSETS, edge_weights
from jumpset.smoothers import RegionFusion


def run_both(image, edge_weights, neighbors, weight, levels=10):
    fast = kernel.make_regions(image, edge_weights, OFFSETS[neighbors])
    plain = kernel.PlainRegions(image, edge_weights, OFFSETS[neighbors])
    for k in range(levels + 1):
        kernel.sweep(fast, weight * k / levels)
        plain.sweep(weight * k / levels)
    out = np.empty((image.shape[0] * image.shape[1], image.shape[2]))
    kernel.paint(fast, out)
    return out, plain.paint(), fast


@pytest.mark.parametrize("seed", range(60))
def test_kernel_equals_its_definition(seed):
    rng = np.random.default_rng(seed)
    neighbors = (4, 8)[seed % 2]
    image = rng.random((rng.integers(1, 9), rng.integers(1, 9), rng.integers(1, 4))).round(rng.integers(1, 4))
    weights = np.ones((neighbors // 2, *image.shape[:2]))
    if seed % 3 == 0:  # some edges are cut, some weak
        weights *= rng.random(weights.shape) * rng.integers(0, 2, weights.shape)
    fast, plain, _ = run_both(image, weights, neighbors, weight=0.2 * rng.random())
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-12)


def test_the_comparison_detects_a_wrong_kernel(monkeypatch):
    wrong = kernel.sweep
    monkeypatch.setattr(kernel, "sweep", lambda regions, level: wrong(regions, 1.05 * level))
    rng = np.random.default_rng(0)
    differences = [
        np.abs(np.subtract(*run_both(rng.random((8, 8, 1)), np.ones((2, 8, 8)), 4, 0.1)[:2])).max()
        for _ in range(5)
    ]
    assert max(differences) > 1e-3


images = arrays(
    np.float64, st.tuples(*[st.integers(1, 12)] * 2, st.integers(1, 4)), elements=st.floats(0, 1, width=16)
)


@settings(deadline=None, max_examples=60)
@given(images, st.floats(0, 0.5), st.sampled_from([4, 8]))
def test_recorded_energy_is_the_energy(image, weight, neighbors):
    result = js.run(image, RegionFusion(weight=weight, neighbors=neighbors))
    # by labels, not colours: two adjacent regions of equal mean have a boundary
    height, width, _ = image.shape
    labels = kernel.labels(result.state.regions[0]).reshape(height, width)
    lengths = edge_weights(neighbors, (height, width))[:, 0, 0]
    boundary = 0.0
    for (dy, dx), length in zip(OFFSETS[neighbors], lengths, strict=True):
        for y, x in np.ndindex(height, width):
            if 0 <= y + dy < height and 0 <= x + dx < width:
                boundary += length * (labels[y, x] != labels[y + dy, x + dx])
    energy = ((result.image - image) ** 2).sum() + weight * boundary
    assert result.history["energy"][-1] == pytest.approx(energy, abs=1e-9)
    assert result.history["regions"][-1] == labels.max() + 1
    for label in range(labels.max() + 1):  # each region has its mean colour
        inside = labels == label
        np.testing.assert_allclose(
            result.image[inside], image[inside].mean(0, keepdims=True).repeat(inside.sum(), 0)
        )


def test_no_possible_merge_remains():
    """After sweeps at one level until none merges, every further merge would raise the energy."""
    image = np.random.default_rng(3).random((20, 20, 3))
    regions = kernel.make_regions(image, np.ones((2, 20, 20)), OFFSETS[4])
    while kernel.sweep(regions, 0.05):
        pass
    labels = kernel.labels(regions).reshape(20, 20)
    pairs = {
        (a, b) for d in (0, 1) for a, b in zip(np.roll(labels, -1, d).flat, labels.flat, strict=True) if a < b
    }
    for a, b in pairs:
        touching = sum((np.sort(np.stack(p), 0).reshape(2, -1).T == (a, b)).all(1).sum() for p in
                       ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])))  # fmt: skip
        if touching:
            p, q = image[labels == a], image[labels == b]
            rise = len(p) * len(q) / (len(p) + len(q)) * ((p.mean(0) - q.mean(0)) ** 2).sum()
            assert rise > 0.05 * touching


@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("seed", range(4))
def test_every_pair_is_due_when_it_could_merge(neighbors, seed):
    """For all neighbouring regions i, j: min(threshold_i, threshold_j) ≤ ΔSSE / c_ij, after every sweep.

    A region that absorbs the region being visited must therefore be due again. Without that reset (j keeps its
    threshold) merges are overlooked: over 28 images (photographs, synthetic textures, noisy shapes), 4 and 8
    neighbours and weights 0.005, 0.02 and 0.1 the final energy was higher in 126 cases of 168, lower in 37 and
    0.05 % higher in the mean, for 4 % less time. Single cases may go either way, as for any order of merges.
    """
    rng = np.random.default_rng(seed)
    image = rng.random((12, 14, 2))
    edges = edge_weights(neighbors, (12, 14))
    regions = kernel.make_regions(image, edges, OFFSETS[neighbors])
    for level in np.linspace(0, 0.2, 11):
        kernel.sweep(regions, level)
        label = kernel.roots(regions).reshape(12, 14)
        touching = {}
        for d, (dy, dx) in enumerate(OFFSETS[neighbors]):
            for y, x in np.ndindex(12, 14):
                if y + dy < 12 and 0 <= x + dx < 14 and label[y, x] != label[y + dy, x + dx]:
                    pair = frozenset((label[y, x], label[y + dy, x + dx]))
                    touching[pair] = touching.get(pair, 0.0) + edges[d, y, x]
        for (i, j), boundary in touching.items():
            p, q = image[label == i], image[label == j]
            rise = len(p) * len(q) / (len(p) + len(q)) * ((p.mean(0) - q.mean(0)) ** 2).sum()
            assert min(regions.threshold[[i, j]]) <= rise / boundary * (1 + 1e-9)


def test_large_weight_merges_all_but_across_cut_edges():
    image = np.random.default_rng(0).random((6, 8))
    np.testing.assert_allclose(js.smooth(image, weight=1e3), image.mean())
    cut = torch.ones(2, 6, 8)
    cut[0, :, 3] = 0  # no edge between columns 3 and 4
    halves = js.smooth(image, weight=1e3, edge_weights=cut)
    np.testing.assert_allclose(halves[:, :4], image[:, :4].mean())
    np.testing.assert_allclose(halves[:, 4:], image[:, 4:].mean())


@pytest.mark.parametrize(
    "wrong", ["text", np.ones((2, 3, 3)), -np.ones((2, 4, 4)), np.full((2, 4, 4), np.nan)]
)
def test_bad_edge_weights(wrong):
    with pytest.raises(js.InputError, match="edge_weights"):
        js.smooth(np.zeros((4, 4)), edge_weights=wrong)


@pytest.mark.parametrize(
    "wrong", [{"levels": 0}, {"levels": 2.5}, {"gamma": 0}, {"neighbors": 6}, {"weight": -1e-9}]
)
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        RegionFusion(**wrong)
