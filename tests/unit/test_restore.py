"""``js.restore``: against other solvers, known answers, and the noise that was put in."""

import io

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset import operators as O  # noqa: N812
from jumpset.restoration import PlugAndPlay, data_noise


def noisy(y, sigma, seed=0):
    return y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(seed)).to(y)


def disks(n=64, channels=1):
    """Flat disks on black, without anti-aliasing."""
    i, j = np.mgrid[:n, :n] / n - 0.5
    u = np.zeros((n, n))
    for y, x, r, value in (
        (0, 0, 0.42, 0.4),
        (-0.1, 0.15, 0.12, 1.0),
        (0.15, -0.12, 0.15, 0.7),
        (0.2, 0.2, 0.06, 0.1),
    ):
        u[(i - y) ** 2 + (j - x) ** 2 < r**2] = value
    return torch.from_numpy(u)[None, None].repeat(1, channels, 1, 1)


def rmse(a, b):
    return float((a - b).double().square().mean().sqrt())


def psnr(a, b):
    return -20 * np.log10(rmse(a, b))


def test_tomography_of_thirty_angles():
    """Data without noise, of any size: nothing is scaled, and flat regions are found."""
    u = 50 * disks()
    A = O.Radon(30, (64, 64))
    y = A(u)
    for prior in ("auto", "potts"):
        found = js.restore(y, A, prior=prior, lower=0.0)
        assert found.status is js.Status.CONVERGED
        assert float(found.image.min()) >= 0.0
        assert rmse(found.image, u) < 50 * 0.0084
    assert rmse(js.restore(y, A, prior="tv", noise=0.0).image, u) < 50 * 0.02


def test_the_answer_scales_with_the_data():
    u, A = disks(32), O.Blur.gaussian(1.0)
    y = noisy(A(u), 0.01)
    one, many = (js.restore(s * y, A, prior=p).image for p in ["potts"] for s in (1.0, 256.0))
    torch.testing.assert_close(256 * one, many, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("operator", "sigma"),
    [
        (O.Blur.gaussian(1.5), 0.01),
        (O.Blur.motion(7.0, 30.0), 0.01),
        (O.Downsample(2, (64, 64), "cubic"), 0.0),
        (O.Mask(torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) > 0.5), 0.0),
        (O.Radon(16, (64, 64)), 0.2),
        (O.Fourier(torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) > 0.4), 0.01),
        (O.Identity(), 0.05),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, O.LinearOperator) else "",
)
def test_flat_regions_gain_on_least_squares(operator, sigma):
    """On the minimiser of ‖Au − y‖² + 1e-3 ‖∇u‖²; both priors fill random holes less far beyond it."""
    from jumpset.operators.observations import tikhonov_estimate

    u = disks()
    y = noisy(operator(u), sigma)
    before = psnr(tikhonov_estimate(y, operator), u)
    least = 1.0 if isinstance(operator, O.Mask) else 5.0
    assert psnr(js.restore(y, operator, prior="potts", noise=sigma).image, u) > before + least
    assert psnr(js.restore(y, operator, prior="tv", noise=sigma).image, u) > before + 1.0


@pytest.mark.slow
def test_total_variation_with_a_box_is_the_minimum_of_a_cone_program():
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(0)
    blur, weight = O.Blur.gaussian(0.8), 0.02
    f = rng.random((6, 7)) * 1.4 - 0.2
    y = torch.from_numpy(f)[None, None]
    A = torch.stack(
        [blur(e[None])[0].flatten() for e in torch.eye(42).double().reshape(42, 1, 6, 7)], 1
    ).numpy()
    norm = O.operator_norm(blur, y, tol=1e-2)
    x = cp.Variable((6, 7))
    dy = cp.vstack([x[1:] - x[:-1], np.zeros((1, 7))])
    dx = cp.hstack([x[:, 1:] - x[:, :-1], np.zeros((6, 1))])
    stacked = cp.vstack([cp.reshape(dy, (1, 42), "C"), cp.reshape(dx, (1, 42), "C")])
    rest = (A / norm) @ cp.reshape(x, 42, "C") - f.ravel() / norm
    problem = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(rest) + weight * cp.sum(cp.norm(stacked, 2, axis=0))),
        [x >= 0.1, x <= 0.8],
    )
    problem.solve(solver="CLARABEL")
    method = PlugAndPlay(
        js.TotalVariation(), blur, weight=weight, noise=0.01, lower=0.1, upper=0.8, tol=1e-5, n_steps=2000
    )
    found = js.run(y, method)
    assert found.status is js.Status.CONVERGED
    assert 0.1 <= float(found.image.min())
    assert float(found.image.max()) <= 0.8
    np.testing.assert_allclose(found.image[0, 0].numpy(), x.value, atol=2e-3)


@pytest.mark.parametrize("prior", ["tv", "sparse-tv", "groups"])
def test_discrepancy_principle(prior):
    u = disks(32)
    A = O.Blur.gaussian(1.0)
    y = noisy(A(u), 0.02)
    result = js.restore(y, A, prior=prior, noise=0.02)
    assert result.status is js.Status.CONVERGED
    assert rmse(A(result.image), y) == pytest.approx(0.02, rel=0.08)
    assert result.history["misfit"][-1] == pytest.approx(1.0, abs=0.05)


def test_the_weight_is_found_where_the_misfit_hardly_depends_on_it():
    """Behind a blur most noise is in what the image cannot explain, whatever the weight."""
    u, A = disks(96), O.Blur.gaussian(2.0)
    y = noisy(A(u), 0.06)
    found = js.restore(y, A, prior="tv", noise=0.06)
    weights = found.history["weight"][-1] * np.array([1 / 16, 1 / 4, 4.0])
    others = [psnr(js.restore(y, A, prior="tv", noise=0.06, weight=w).image, u) for w in weights]
    assert psnr(found.image, u) > max(others) - 0.3


@pytest.mark.parametrize(
    "operator",
    [
        O.Blur.gaussian(1.5),
        O.Downsample(2, (128, 128)),
        O.Mask(torch.rand(128, 128, generator=torch.Generator().manual_seed(0)) > 0.3),
        O.Radon(60, (128, 128)),
        O.Fourier(torch.rand(128, 128, generator=torch.Generator().manual_seed(0)) > 0.3),
        O.Identity(),
    ],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_noise_is_estimated(operator, sigma):
    u = disks(128)
    sigma = sigma * (20 if isinstance(operator, O.Radon) else 1)
    measured = operator(u)
    if isinstance(operator, O.Mask):
        y = operator(noisy(u, sigma))
    elif isinstance(operator, O.Fourier):
        y = noisy(measured, sigma) * (measured != 0)
    else:
        y = noisy(measured, sigma)
    assert data_noise(y, operator) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("sigma", [0.0, 0.02])
def test_noise_of_small_and_dense_images(sigma):
    """Less of a drawing of few pixels is taken for noise: the first differences of one give 0.039."""
    u = torch.from_numpy(js.datasets.shapes(192, 192, seed=7)).movedim(-1, 0)[None].double()
    A = O.Downsample(4, (192, 192), "cubic")
    assert data_noise(noisy(A(u), sigma), A) == pytest.approx(sigma, abs=0.012)


def test_noise_of_products_of_operators():
    u = disks(96)
    keep = torch.rand(96, 96, generator=torch.Generator().manual_seed(0)) > 0.3
    mask, blur, radon = O.Mask(keep), O.Blur.gaussian(1.0), O.Radon(40, (96, 96))
    y = mask(noisy(blur(u), 0.05))
    assert data_noise(y, mask @ blur) == pytest.approx(0.05, rel=0.15)
    some = O.Mask(keep[:40, :1])
    y = noisy(radon(u), 1.0)
    assert data_noise(some(y), some @ radon) == pytest.approx(1.0, rel=0.15)
    for A in (2.0 * radon, radon + radon):
        assert data_noise(y, A) == pytest.approx(1.0, rel=0.15)
    for axes, shape in ((1, (1, 1, 4000)), (3, (1, 1, 12, 16, 16))):
        A = O.Blur.gaussian(0.8, spatial_ndim=axes)
        assert data_noise(noisy(torch.zeros(shape), 0.1), A) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("n_coils", [0, 2])
def test_noise_of_fourier_samples(n_coils):
    """One coil: from opposite frequencies. Several: from the decay of the power."""
    ramp = torch.linspace(0.5, 1.0, 96, dtype=torch.float64).expand(96, 96)
    coils = torch.stack([ramp, ramp.T]) if n_coils else None
    A = O.Fourier(torch.rand(96, 96, generator=torch.Generator().manual_seed(0)) > 0.5, coils)
    u = O.Blur.gaussian(1.0)(disks(96))
    y = noisy(A(u), 0.05) * A.mask[..., None]
    assert data_noise(y, A) == pytest.approx(0.05, rel=0.15)


def test_noise_of_mosaics_and_of_other_data():
    u = disks(64, channels=3)
    cfa = O.ColorFilterArray()
    assert data_noise(noisy(cfa(u), 0.05), cfa) == pytest.approx(0.05, rel=0.2)
    assert data_noise(cfa(u), cfa) == 0.0
    with pytest.raises(js.InputError, match="noise="):
        js.restore(torch.rand(1, 1, 20), O.FlatOperator(np.random.default_rng(0).random((20, 36)), (6, 6)))


@pytest.mark.parametrize("prior", ["potts", "l0", "tv", "sparse-tv", "tgv", "bilateral", "collaborative"])
def test_every_prior_fills_holes(prior):
    u = disks(24)
    mask = torch.rand(24, 24, generator=torch.Generator().manual_seed(1)) > 0.3
    result = js.restore(u * mask, O.Mask(mask), prior=prior, noise=0.02)
    assert psnr(result.image, u) > psnr(u * mask, u) + 5


def test_priors_may_be_objects():
    u, A = disks(24), O.Blur.gaussian(0.8)
    y = noisy(A(u), 0.01)
    by_name, by_object = (
        js.restore(y, A, prior=p, noise=0.01).image for p in ("tv", js.TotalVariation(channels="joint"))
    )
    assert torch.equal(by_name, by_object)
    own = js.restore(y, A, prior=js.smoothers.RegionFusion(levels=20), weight=5e-4, noise=0.01)
    assert own.history["weight"][-1] == 5e-4
    solver = js.solvers.FISTA(js.L1(), 1e-3, max_steps=5)
    assert js.restore(y, A, prior=solver).method.operator is A


def test_deep_priors_take_the_operator():
    u = disks(64)
    mask = torch.rand(64, 64, generator=torch.Generator().manual_seed(1)) > 0.3
    result = js.restore(u * mask, O.Mask(mask), prior="dip", max_steps=2)
    assert result.n_steps == 2
    assert torch.equal(result.method.operator.mask, mask)
    with pytest.raises(js.InputError, match="bounds"):
        js.restore(u * mask, O.Mask(mask), prior="dip", lower=0.0)
    with pytest.raises(js.InputError, match="no weight"):
        js.restore(u * mask, O.Mask(mask), prior="dip", weight=0.1)


def test_kinds_of_input():
    u = disks(24, channels=3)
    mask = np.random.default_rng(0).random((24, 24)) > 0.3
    pixels = np.rint(255 * u[0].permute(1, 2, 0).numpy() * mask[..., None]).astype(np.uint8)
    pixels.setflags(write=False)
    result = js.restore(pixels, O.Mask(mask), value_range=(0, 255))
    assert result.image.dtype == np.uint8
    assert result.image.shape == pixels.shape
    mosaic = O.ColorFilterArray()(u)[0, 0].numpy()
    assert rmse(torch.from_numpy(js.restore(mosaic, O.ColorFilterArray()).image).movedim(-1, 0), u) < 0.1
    floats = js.restore(pixels / 255.0, O.Mask(mask)).image
    assert floats.dtype == np.float64
    np.testing.assert_allclose(result.image / 255.0, floats, atol=0.6 / 255)
    samples = np.fft.fft2(u[0, 0].numpy(), norm="ortho")
    keep = np.random.default_rng(1).random((24, 24)) > 0.4
    found = js.restore(samples * keep, O.Fourier(keep), noise=0.0).image
    assert found.shape == (24, 24)
    assert rmse(torch.from_numpy(found), u[0, 0]) < 0.05
    alone = js.restore(torch.from_numpy(samples * keep)[None, None], O.Fourier(keep), noise=0.0).image
    np.testing.assert_allclose(found, alone[0, 0].numpy(), atol=1e-12)


def test_batch_equals_loop():
    A = O.Blur.gaussian(0.8)
    y = torch.cat([noisy(A(disks(20)), 0.01), noisy(A(0.3 * disks(20).flip(-1)), 0.02, seed=1)])
    together = js.restore(y, A, prior="tv").image
    alone = torch.cat([js.restore(one, A, prior="tv").image for one in y.split(1)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_images(shape, dtype):
    u = torch.full((1, 2, *shape), 0.5, dtype=dtype)
    for A in (O.Identity(), O.Blur.gaussian(1.0), O.Downsample(2, shape), O.Radon(4, shape)):
        image = js.restore(A(u), A, noise=0.01).image
        assert image.shape == u.shape
        assert image.dtype == dtype
        torch.testing.assert_close(image, u, rtol=0, atol=0.05)


def test_data_outside_the_mask_has_no_influence():
    u = disks(32)
    mask = torch.rand(32, 32, generator=torch.Generator().manual_seed(1)) > 0.3
    junk = torch.where(mask, u, 7.0)
    for prior in ("potts", "tv"):
        first, second = (js.restore(y, O.Mask(mask), prior=prior).image for y in (u * mask, junk))
        torch.testing.assert_close(first, second, rtol=0, atol=1e-3)


def test_a_jpeg_file_allows_the_answer():
    from PIL import Image

    truth = js.datasets.shapes(96, 128, seed=1003)
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * truth).astype(np.uint8)).save(file, "jpeg", quality=10)
    file.seek(0)
    decoded = Image.open(file)
    tables = js.jpeg.JPEGTables(*(np.array(decoded.quantization[k], float).reshape(8, 8) for k in (0, 1)))
    pixels = np.asarray(decoded) / 255.0
    for prior in ("tv", "potts"):
        result = js.restore(pixels, tables, prior=prior)
        assert js.metrics.psnr(result.image, truth) > js.metrics.psnr(pixels, truth) + 0.3
        again = js.jpeg.QuantizationConstraint.of(
            torch.from_numpy(pixels).permute(2, 0, 1)[None], tables
        ).project(torch.from_numpy(result.image).permute(2, 0, 1)[None])
        assert np.abs(again[0].permute(1, 2, 0).numpy() - result.image).max() < 2 / 255


def test_limits_history_and_callback():
    u, A = disks(32), O.Blur.gaussian(1.0)
    y = noisy(A(u), 0.01)
    seen = []
    result = js.restore(y, A, prior="potts", callback=seen.append)
    assert [s.n_steps for s in seen] == list(range(28))
    assert set(result.history) == {"step", "seconds", "misfit", "noise", "residual", "weight"}
    assert js.restore(y, A, max_seconds=1e-9).status is js.Status.TIME_LIMIT
    assert js.restore(y, A, max_steps=3).status is js.Status.MAX_STEPS
    assert js.restore(y, A, stop=lambda s: s.n_steps == 2).status is js.Status.STOPPED
    first = js.restore(y, A, max_steps=0)
    assert rmse(first.image, u) < rmse(A.adjoint(y), u)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prior": "pots"}, "potts"),
        ({"prior": 3}, "penalty"),
        ({"prior": js.penalties.GraphNet()}, "proximal"),
        ({"prior": "dejpeg", "weight": 0.1, "operator": 5}, "operator"),
        ({"noise": -1.0}, "noise"),
        ({"weight": float("nan")}, "weight"),
        ({"lower": 1.0, "upper": 0.0}, "below"),
        ({"operator": "blur"}, "operator"),
        ({"operator": O.Identity}, "operator"),
        ({"operator": 0.0 * O.Identity()}, "0"),
        ({"operator": O.Downsample(2, (16, 16))}, "shape"),
        ({"operator": O.Radon(5, (8, 8))}, "shape"),
        ({"max_steps": -1}, "max_steps"),
    ],
)
def test_mistakes(settings, words):
    with pytest.raises(js.InputError, match=words):
        js.restore(torch.rand(1, 1, 16, 16), **settings)


def test_lines_and_volumes():
    for shape, axes in (((1, 1, 40), 1), ((1, 1, 6, 7, 8), 3)):
        u = (torch.arange(shape[2]) > 3).double().reshape(-1, *[1] * (axes - 1)).expand(shape)
        blur = O.Blur.gaussian(0.8, spatial_ndim=axes)
        image = js.restore(blur(u), blur, prior="tv", noise=0.01).image
        assert rmse(image, u) < 0.5 * rmse(blur(u), u)
        assert torch.equal(js.restore(blur(u), blur, noise=0.01).image, image)  # automatic
        flat = js.restore(blur(u), blur, prior="potts", noise=0.01).image
        assert rmse(flat, u) < 0.5 * rmse(blur(u), u)
        with pytest.raises(js.InputError, match="spatial axes"):
            js.restore(blur(u), blur, prior="rtv", noise=0.01)


def test_data_that_are_not_finite():
    with pytest.raises(js.InputError, match="finite"):
        js.restore(np.full((8, 8), np.nan), O.Blur.gaussian(1.0))
    with pytest.raises(js.InputError, match="complex"):
        js.restore(np.zeros((2, 2, 8, 8), complex), O.Fourier(np.ones((8, 8), bool)))


def test_missing_data():
    """As a mask of the data: of an image, behind an operator, of a batch, of complex data."""
    u = disks(24, channels=3)
    known = np.random.default_rng(0).random((24, 24)) > 0.3
    image = u[0].permute(1, 2, 0).numpy()
    expected = js.restore(image * known[..., None], O.Mask(known), prior="tv").image
    with_nan = np.where(known[..., None], image, np.nan)
    of_number = np.where(known[..., None], image, -9.0)
    for data, missing in ((with_nan, "nan"), (with_nan, float("nan")), (of_number, -9), (image, ~known)):
        np.testing.assert_array_equal(js.restore(data, prior="tv", missing=missing).image, expected)
    first = js.restore(np.moveaxis(with_nan, -1, 0), prior="tv", missing="nan", channel_axis=0).image
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), expected)
    radon = O.Radon(20, (24, 24))
    y = radon(u[:, :1])
    y[..., 3:5, :] = torch.nan
    keep = torch.isfinite(y)
    found = js.restore(y, radon, prior="tv", noise=0.0, missing="nan").image
    masked = js.restore(torch.nan_to_num(y), O.Mask(keep) @ radon, prior="tv", noise=0.0).image
    assert torch.equal(found, masked)
    assert rmse(found, u[:, :1]) < 0.03
    samples = np.fft.fft2(u[0, 0].numpy(), norm="ortho")
    samples[5] = np.nan
    fourier = O.Fourier(np.ones((24, 24), bool))
    assert (
        rmse(torch.from_numpy(js.restore(samples, fourier, noise=0.0, missing="nan").image), u[0, 0]) < 0.05
    )
    one_channel = js.restore(with_nan[..., 0], missing="nan", prior="tv").image
    assert one_channel.shape == (24, 24)
    assert js.restore(image, missing="nan", prior="tv", noise=0.01).method.operator == O.Identity()
    integers = js.restore(np.rint(255 * of_number.clip(0)).astype(np.uint8), prior="tv", missing=~known).image
    assert rmse(torch.from_numpy(integers), torch.from_numpy(255 * image)) < 255 * 0.1


@pytest.mark.parametrize(
    ("missing", "words"),
    [("none", "nan"), (True, "bools"), (np.ones((3, 3), bool), "fit"), (np.ones((16, 16), bool), "all data")],
)
def test_missing_data_that_cannot_be_used(missing, words):
    with pytest.raises(js.InputError, match=words):
        js.restore(np.zeros((16, 16)), missing=missing)


def test_images_of_a_batch_miss_the_same():
    y = disks(16).repeat(2, 1, 1, 1)
    y[:, :, 3, 4:9] = torch.nan
    together = js.restore(y, prior="tv", missing="nan").image
    assert torch.equal(together[:1], js.restore(y[:1], prior="tv", missing="nan").image)
    y[0, :, 8, 8] = torch.nan
    with pytest.raises(js.InputError, match="one image at a time"):
        js.restore(y, prior="tv", missing="nan")


BOX = [
    (O.Identity(), "tv"),
    (O.Blur.gaussian(1.0), "potts"),
    (O.Downsample(2, (24, 24), "cubic"), "l0"),
    (O.Radon(8, (24, 24)), "sparse-tv"),
    (O.Mask(torch.rand(24, 24, generator=torch.Generator().manual_seed(3)) > 0.4), "tgv"),
    (O.Fourier(torch.rand(24, 24, generator=torch.Generator().manual_seed(3)) > 0.4), "groups"),
]


@pytest.mark.parametrize(("operator", "prior"), BOX, ids=[p for _, p in BOX])
@pytest.mark.parametrize(("lower", "upper"), [(0.2, 0.6), (0.2, None), (None, 0.6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bounds_hold_exactly(operator, prior, lower, upper, dtype):
    """At every step, whatever the precision; both bounds are active in these data."""
    u = disks(24).to(dtype)
    seen = []
    result = js.restore(
        noisy(operator(u), 0.05), operator, prior=prior, noise=0.05, lower=lower, upper=upper, max_steps=18,
        callback=lambda step: seen.append(step.image) if step.n_steps in (0, 9) else None,
    )  # fmt: skip
    for image in (*seen, result.image):
        assert lower is None or float(image.min()) >= torch.tensor(lower, dtype=dtype)
        assert upper is None or float(image.max()) <= torch.tensor(upper, dtype=dtype)
    assert lower is None or float(result.image.min()) < lower + 0.02
    assert upper is None or prior == "groups" or float(result.image.max()) > upper - 0.02
    assert len(seen) == 2


def test_the_automatic_prior():
    """Few gradients where the data mix pixels and the image is flat in regions; else total variation."""
    u = disks(48)
    ramp = torch.linspace(0, 1, 48, dtype=torch.float64).expand(48, 48)[None, None] + 0.3 * u.flip(-1)
    blur = O.Blur.gaussian(1.0)
    mask = O.Mask(torch.rand(48, 48, generator=torch.Generator().manual_seed(0)) > 0.4)
    for operator, image, expected in (
        (blur, u, "l0"), (2.0 * blur, u, "l0"), (blur, ramp, "tv"), (mask, u, "tv"), (None, u, "tv"),
        (mask @ blur, u, "l0"),
    ):  # fmt: skip
        y = image if operator is None else operator(image)
        found, wanted = (js.restore(y, operator, prior=p, noise=0.002) for p in ("auto", expected))
        assert psnr(found.image, image) == pytest.approx(psnr(wanted.image, image), abs=0.3)
        assert (found.n_steps == 27) == (expected == "l0")
        assert found.status is js.Status.CONVERGED
    loud = js.restore(noisy(blur(u), 0.06), blur, noise=0.06)
    assert psnr(loud.image, u) == pytest.approx(
        psnr(js.restore(noisy(blur(u), 0.06), blur, noise=0.06, prior="tv").image, u), abs=0.3
    )
    assert loud.n_steps != 27
    weighed = js.restore(blur(u), blur, noise=0.002, weight=0.01)
    assert torch.equal(weighed.image, js.restore(blur(u), blur, noise=0.002, weight=0.01, prior="tv").image)
