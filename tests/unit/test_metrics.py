"""PSNR, SSIM, energies and contiguity against brute force on tiny pictures, and what they refuse."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jumpset import metrics
from jumpset._core.errors import InputError

tiny = settings(max_examples=60, deadline=None, derandomize=True)


def levels(dims, dtype=np.uint8, top=3):
    """Tiny arrays of few values, so that equal neighbours are common."""
    shape = st.tuples(*[st.integers(1, 5)] * 2, *[st.integers(1, 3)] * (dims - 2))
    return shape.flatmap(lambda s: arrays(dtype, s, elements=st.integers(0, top)))


# --- psnr ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "peak"),
    [(np.uint8, 255), (np.uint16, 65535), (np.int16, 65535), (np.float32, 1), (np.float64, 1)],
)
def test_psnr_takes_its_range_from_the_dtype(dtype, peak):
    truth = np.zeros((2, 3, 3), dtype)
    image = truth.copy()
    image[0, 1, 2] = 1
    assert metrics.psnr(image, truth) == pytest.approx(10 * math.log10(peak**2 * 18), abs=1e-12)


def test_psnr_of_identical_pictures_is_infinite():
    x = np.random.default_rng(0).random((4, 5))
    assert metrics.psnr(x, x) == math.inf


def test_psnr_pools_channels_before_the_logarithm():
    truth = np.zeros((1, 1, 3))
    image = np.array([[[0.1, 0.2, 0.0]]])
    assert metrics.psnr(image, truth) == pytest.approx(-10 * math.log10(0.05 / 3), abs=1e-12)


def test_psnr_does_not_wrap_around_unsigned_differences():
    low, high = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert metrics.psnr(low, high) == metrics.psnr(high, low) == pytest.approx(0.0, abs=1e-12)


def test_psnr_uses_the_given_range():
    x, y = np.array([[10, 20]]), np.array([[12, 20]])
    assert metrics.psnr(x, y, data_range=100) == pytest.approx(10 * math.log10(1e4 / 2), abs=1e-12)


def test_floats_of_different_widths_may_mix():
    x = np.full((12, 12), 0.5, np.float32)
    assert metrics.psnr(x, x.astype(np.float64)) == math.inf
    assert metrics.energy_pix(x, x.astype(np.float64), 1.0) == 0


# --- ssim ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [metrics.ssim, metrics.ssim_luma, metrics.ssim_volume])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (10, 11, 3), (11, 12), (3, 4, 1), (20, 20, 5)])
def test_ssim_of_identical_pictures_is_one_at_any_size(score, shape):
    x = np.random.default_rng(1).random(shape)
    assert score(x, x) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("score", [metrics.ssim, metrics.ssim_luma, metrics.ssim_volume])
def test_ssim_is_symmetric_falls_with_noise_and_ignores_the_unit(score):
    rng = np.random.default_rng(2)
    x = rng.random((14, 17, 3))
    noise = rng.standard_normal(x.shape)
    near, far = score(x + 0.05 * noise, x), score(x + 0.3 * noise, x)
    assert far < near < 1
    assert score(x, x + 0.3 * noise) == pytest.approx(far, abs=1e-12)
    assert score(255 * x, 255 * (x + 0.3 * noise), data_range=255) == pytest.approx(far, abs=1e-10)


@pytest.mark.parametrize("shape", [(4, 30), (30, 4), (5, 5)])
def test_ssim_crops_only_the_axes_that_hold_a_window(shape):
    rng = np.random.default_rng(3)
    x, y = rng.random(shape), rng.random(shape)
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2
    px, py = (np.pad(a, 5, mode="symmetric") for a in (x, y))
    kept = [range(5, n - 5) if n > 10 else range(n) for n in shape]
    values = [
        _ssim_of_windows(px[i : i + 11, j : j + 11], py[i : i + 11, j : j + 11], window)
        for i, j in product(*kept)
    ]
    assert metrics.ssim(x, y) == pytest.approx(np.mean(values), abs=1e-10)


def test_ssim_averages_channels_wherever_they_are():
    rng = np.random.default_rng(4)
    x, y = rng.random((13, 15, 3)), rng.random((13, 15, 3))
    each = [metrics.ssim(x[..., c], y[..., c]) for c in range(3)]
    assert metrics.ssim(x, y) == pytest.approx(np.mean(each), abs=1e-12)
    moved = metrics.ssim(np.moveaxis(x, -1, 0), np.moveaxis(y, -1, 0), channel_axis=0)
    assert moved == pytest.approx(metrics.ssim(x, y), abs=1e-12)


def _ssim_of_windows(a, b, window):
    """The formula at one pixel, from central moments."""
    ma, mb = (window * a).sum(), (window * b).sum()
    va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
    cov = (window * (a - ma) * (b - mb)).sum()
    return (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))


# --- energies -----------------------------------------------------------------------------------------------


def brute_gradient_count(u, tol=0):
    height, width = u.shape[:2]
    count = 0
    for r, c in product(range(height), range(width)):
        steps = [(r + 1, c), (r, c + 1)]
        count += any(
            r2 < height and c2 < width and np.max(np.abs(u[r2, c2] - u[r, c])) > tol for r2, c2 in steps
        )
    return count


def brute_jump_count(u, weight_of, reach, tol=0):
    """Over all unordered pairs of pixels, those whose offset has a weight."""
    pixels = list(product(range(u.shape[0]), range(u.shape[1])))
    total = 0.0
    for i, p in enumerate(pixels):
        for q in pixels[i + 1 :]:
            offset = (abs(p[0] - q[0]), abs(p[1] - q[1]))
            if offset in reach and np.max(np.abs(u[p] - u[q])) > tol:
                total += weight_of[offset]
    return total


FOUR = {(1, 0): 1.0, (0, 1): 1.0}
EIGHT = {(1, 0): math.sqrt(2) - 1, (0, 1): math.sqrt(2) - 1, (1, 1): 1 - math.sqrt(2) / 2}


@tiny
@given(u=st.one_of(levels(2), levels(3)), tol=st.integers(0, 2))
def test_counts_equal_brute_force(u, tol):
    v = u.astype(float)
    assert metrics.gradient_count(u, tol / 255) == brute_gradient_count(v, tol)
    assert metrics.gradient_count(v, tol) == brute_gradient_count(v, tol)
    for neighbors, weights in ((4, FOUR), (8, EIGHT)):
        expected = brute_jump_count(v, weights, weights, tol)
        assert metrics.jump_count(u, tol / 255, neighbors=neighbors) == pytest.approx(expected, abs=1e-12)


@tiny
@given(u=levels(3), weight=st.floats(0, 10), seed=st.integers(0, 9))
def test_energies_are_fidelity_without_a_half_plus_counts(u, weight, seed):
    f = np.random.default_rng(seed).integers(0, 256, u.shape, dtype=np.uint8)
    fidelity = sum((float(a) / 255 - float(b) / 255) ** 2 for a, b in zip(u.flat, f.flat, strict=True))
    pix, edge = metrics.energy_pix(u, f, weight), metrics.energy_edge(u, f, weight, neighbors=8)
    assert pix == pytest.approx(fidelity + weight * brute_gradient_count(u.astype(float)), rel=1e-12)
    assert edge == pytest.approx(
        fidelity + weight * brute_jump_count(u.astype(float), EIGHT, EIGHT), rel=1e-12
    )
    scaled = metrics.energy_edge(u / 255, f / 255, weight, neighbors=8)
    assert scaled == pytest.approx(edge, rel=1e-12)


def test_edge_weights_are_taken_edge_by_edge():
    u = np.arange(6.0).reshape(2, 3)  # every edge jumps
    right, down = [[8, 16, 0], [32, 64, 0]], [[1, 2, 4], [0, 0, 0]]
    falling, rising = [[128, 256, 0], [0, 0, 0]], [[0, 512, 1024], [0, 0, 0]]
    assert metrics.jump_count(u, edge_weights=np.array([right, down])) == 127
    axis, diagonal = np.sqrt(2) - 1, 1 - np.sqrt(0.5)
    count = metrics.jump_count(u, neighbors=8, edge_weights=np.array([right, down, falling, rising]))
    assert count == pytest.approx(127 * axis + 1920 * diagonal, rel=1e-12)
    # Only (0, 1)-(1, 0) of the rising diagonals joins different values here.
    v = np.array([[0.0, 1, 0], [0, 0, 1]])
    only = np.zeros((4, 2, 3))
    only[3] = rising
    assert metrics.jump_count(v, neighbors=8, edge_weights=only) == pytest.approx(512 * diagonal, rel=1e-12)


def test_one_level_is_within_a_tolerance_of_one_level():
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert metrics.gradient_count(ramp, 1 / 255) == 0
    assert metrics.jump_count(ramp, 1 / 255) == 0
    assert metrics.gradient_count(ramp) == 255


def test_any_difference_counts_without_a_tolerance():
    u = np.array([[1.0, np.nextafter(1.0, 2.0)]])
    assert metrics.gradient_count(u) == metrics.jump_count(u) == 1
    assert metrics.gradient_count(np.array([[0.0, -0.0]])) == 0


def test_lines_and_single_pixels_have_energies():
    for shape in ((1, 1), (1, 4), (4, 1), (1, 4, 2)):
        u = np.zeros(shape)
        for neighbors in (4, 8):
            assert metrics.energy_edge(u, u + 1, 3.0, neighbors=neighbors) == u.size
    assert metrics.jump_count(np.arange(4.0)[None], edge_weights=np.ones((2, 1, 4))) == 3


# --- contiguity ---------------------------------------------------------------------------------------------


def brute_components(mask, diagonal):
    """Sizes by flood fill, largest first."""
    rest = {tuple(p) for p in np.argwhere(mask)}
    sizes = []
    while rest:
        front, size = [rest.pop()], 0
        while front:
            r, c = front.pop()
            size += 1
            for dr, dc in product((-1, 0, 1), repeat=2):
                q = (r + dr, c + dc)
                if q in rest and (diagonal or 0 in (dr, dc)):
                    rest.remove(q)
                    front.append(q)
        sizes.append(size)
    return sorted(sizes, reverse=True)


@tiny
@given(x=levels(2, dtype=np.int8, top=2), tol=st.integers(0, 2))
def test_contiguity_equals_brute_force(x, tol):
    x = x - np.int8(1)  # both signs
    support = np.abs(x) > tol
    got = metrics.contiguity(x, tol)
    assert got.component_sizes.tolist() == brute_components(support, diagonal=True)
    assert got.zero_component_sizes.tolist() == brute_components(~support, diagonal=False)
    assert got.n_components == len(got.component_sizes)
    assert got.n_zero_components == len(got.zero_component_sizes)
    assert got.zero_fraction == pytest.approx(np.mean(~support), abs=1e-12)
    assert got.largest_zero_region == max(got.zero_component_sizes, default=0)
    assert got.perimeter == brute_jump_count(support[..., None].astype(float), FOUR, FOUR)
    padded = np.pad(support, 1)
    lonely = sum(padded[r : r + 3, c : c + 3].sum() == 1 for r, c in np.argwhere(support))
    assert got.isolated_fraction == pytest.approx(lonely / max(support.sum(), 1), abs=1e-12)


def test_contiguity_of_a_ring_a_checkerboard_and_nothing():
    ring = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]])
    got = metrics.contiguity(ring)
    assert (got.n_components, got.n_zero_components, got.isolated_fraction) == (1, 2, 0.0)
    assert got.zero_component_sizes.tolist() == [20, 1]
    nothing = metrics.contiguity(np.zeros((2, 3)))
    assert (nothing.zero_fraction, nothing.n_components, nothing.isolated_fraction) == (1.0, 0, 0.0)
    full = metrics.contiguity(np.full((2, 3), True))
    assert (full.zero_fraction, full.n_zero_components, full.largest_zero_region) == (0.0, 0, 0)
    # The magnitude of the least int8 does not fit an int8.
    assert metrics.contiguity(np.array([[-128, 0]], np.int8)).n_components == 1


# --- refusals -----------------------------------------------------------------------------------------------

GOOD = np.full((12, 12, 3), 0.5)
PAIRS = {
    "psnr": metrics.psnr,
    "ssim": metrics.ssim,
    "ssim_luma": metrics.ssim_luma,
    "ssim_volume": metrics.ssim_volume,
    "energy_pix": lambda x, y: metrics.energy_pix(x, y, 1.0),
    "energy_edge": lambda x, y: metrics.energy_edge(x, y, 1.0),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (GOOD, GOOD[1:], "same shape"),
        (GOOD, GOOD.astype(np.uint8), "same dtype"),
        (GOOD.astype(np.uint8), GOOD.astype(np.uint16), "same dtype"),
        (GOOD[:0], GOOD[:0], "empty"),
        (GOOD, np.where(np.arange(3) == 1, np.nan, GOOD), "finite"),
        (GOOD.astype(complex), GOOD.astype(complex), "real numbers"),
        (GOOD.astype(np.int64), GOOD.astype(np.int64), "no agreed range"),
    ],
)
def test_pairs_that_cannot_be_compared(name, x, y, says):
    with pytest.raises(InputError, match=says):
        PAIRS[name](x, y)


@pytest.mark.parametrize("data_range", [0, -1.0, math.inf, math.nan, "255"])
def test_a_range_must_be_positive(data_range):
    for score in (metrics.psnr, metrics.ssim, metrics.ssim_luma, metrics.ssim_volume):
        with pytest.raises(InputError, match="data_range"):
            score(GOOD, GOOD, data_range=data_range)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.ssim(GOOD[None], GOOD[None]), "channel_axis"),
        (lambda: metrics.ssim(GOOD, GOOD, channel_axis=None), "channel_axis"),
        (lambda: metrics.ssim_volume(GOOD[None], GOOD[None]), "two or three axes"),
        (lambda: metrics.gradient_count(GOOD, channel_axis=3), "channel_axis"),
        (lambda: metrics.gradient_count(GOOD, -1), "tol"),
        (lambda: metrics.jump_count(GOOD, neighbors=6), "neighbors"),
        (lambda: metrics.jump_count(GOOD, edge_weights=[1.0]), "do not fit"),
        (lambda: metrics.jump_count(GOOD, edge_weights=-np.ones((2, *GOOD.shape[:2]))), "not negative"),
        (lambda: metrics.energy_pix(GOOD, GOOD, -1.0), "weight"),
        (lambda: metrics.energy_edge(GOOD, GOOD, math.nan), "weight"),
        (lambda: metrics.contiguity(GOOD), "two axes"),
        (lambda: metrics.contiguity(GOOD[..., 0], tol=-1), "tol"),
        (lambda: metrics.contiguity(GOOD[:0, :, 0]), "empty"),
    ],
)
def test_what_else_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()


def test_edge_preservation():
    rng = np.random.default_rng(3)
    x, y = rng.random((9, 12, 3)), rng.random((9, 12, 3))

    def laplacian(a):
        p = np.pad(a, ((1, 1), (1, 1), (0, 0)), mode="edge")
        return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * a

    expected = np.corrcoef(laplacian(x).ravel(), laplacian(y).ravel())[0, 1]
    assert metrics.edge_preservation(x, y) == pytest.approx(expected, abs=1e-12)
    assert metrics.edge_preservation(y, y) == pytest.approx(1.0)
    assert metrics.edge_preservation(0.5 * y + 0.2, y) == pytest.approx(1.0)  # contrast does not count
    flat = np.full((5, 6), 0.3)
    assert metrics.edge_preservation(flat, flat) == 1.0
    assert metrics.edge_preservation(flat, y[:5, :6, 0]) == 0.0
    levels = rng.integers(0, 256, (8, 7), dtype=np.uint8)
    assert metrics.edge_preservation(levels, levels) == pytest.approx(1.0)
    with pytest.raises(InputError, match="same shape"):
        metrics.edge_preservation(x, y[:, :5])
