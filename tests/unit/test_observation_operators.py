"""Operators against other libraries and closed forms."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset import operators as O  # noqa: N812


def tensor(x):
    return torch.from_numpy(np.asarray(x, np.float64))[None, None]


def disk(n, radius, y=0.0, x=0.0):
    i, j = np.mgrid[:n, :n] - (n - 1) / 2
    over = 8
    grid = (np.arange(over) + 0.5) / over - 0.5
    return np.mean(
        [[(i + a - y) ** 2 + (j + b - x) ** 2 < radius**2 for a in grid] for b in grid], axis=(0, 1)
    )


def test_radon_of_a_disk_is_its_chords():
    n, radius = 65, 20.0
    y = O.Radon([0.0, 17.0, 45.0, 90.0, 133.0], (n, n), detectors=n)(tensor(disk(n, radius)))[0, 0].numpy()
    s = np.arange(n) - n // 2
    chords = 2 * np.sqrt(np.maximum(radius**2 - s**2, 0.0))
    inside = np.abs(s) < radius - 2
    np.testing.assert_allclose(y[:, inside], np.tile(chords[inside], (5, 1)), rtol=0.02)


def test_radon_has_the_angles_of_scikit_image():
    from skimage.transform import radon

    n, angles = 64, np.arange(0.0, 180.0, 15.0)
    image = disk(n, 6.0, y=-10.0, x=14.0) + 0.5 * disk(n, 4.0, y=12.0, x=3.0)
    ours = O.Radon(angles, (n, n), detectors=n)(tensor(image))[0, 0].numpy()
    theirs = radon(image, theta=angles, circle=True).T
    assert np.abs(ours - theirs).max() < 0.06 * theirs.max()
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.01 * theirs.max()


def test_a_fan_of_a_far_source_is_parallel():
    image = tensor(disk(33, 5.0, y=4.0, x=-6.0))
    angles = [0.0, 30.0, 90.0, 200.0]
    fan = O.FanBeam(angles, (33, 33), source=1e7, detector=1.0, detectors=33)(image)
    parallel = O.Radon(angles, (33, 33), detectors=33)(image)
    torch.testing.assert_close(fan, parallel, rtol=1e-3, atol=1e-3)


def test_fan_sees_a_disk_under_its_angle():
    """The shadow of a disk around the centre: 2 r D / sqrt(source² − r²)."""
    source, detector, radius = 60.0, 40.0, 10.0
    y = O.FanBeam(3, (41, 41), source, detector, spacing=0.25)(tensor(disk(41, radius)))[0, 0].numpy()
    shadow = 2 * radius * (source + detector) / np.sqrt(source**2 - radius**2)
    np.testing.assert_allclose((y > 1.0).sum(1) * 0.25, shadow, atol=1.5)
    np.testing.assert_allclose(y.max(1), 2 * radius, rtol=0.02)


@pytest.mark.parametrize("sides", [(6, 8), (7, 9)])
def test_fourier_is_numpys(sides):
    u = np.random.default_rng(0).random(sides)
    mask = np.random.default_rng(1).random(sides) > 0.5
    coils = np.random.default_rng(2).random((3, *sides)) * (1 + 2j)
    found = torch.view_as_complex(O.Fourier(mask, coils)(tensor(u)))[0].numpy()
    np.testing.assert_allclose(found, mask * np.fft.fft2(coils * u, norm="ortho"), atol=1e-12)


def test_bayer_takes_the_named_colours():
    u = torch.rand(1, 3, 5, 4, dtype=torch.float64)
    y = O.ColorFilterArray(("RG", "GB"))(u)[0, 0]
    assert torch.equal(y[::2, ::2], u[0, 0, ::2, ::2])
    assert torch.equal(y[::2, 1::2], u[0, 1, ::2, 1::2])
    assert torch.equal(y[1::2, 1::2], u[0, 2, 1::2, 1::2])


def test_cubic_samples_are_those_of_pillow():
    from PIL import Image

    u = np.random.default_rng(0).random((24, 30)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(u).resize((10, 8), Image.Resampling.BICUBIC))
    ours = O.Downsample(3, (24, 30), "cubic")(tensor(u))[0, 0].numpy()
    np.testing.assert_allclose(ours[2:-2, 2:-2], theirs[2:-2, 2:-2], atol=1e-6)


def test_point_spread_functions():
    h = O.gaussian_psf(2.0)
    place = np.arange(17) - 8
    assert float(h.sum()) == pytest.approx(1.0)
    assert float((h.sum(0) * torch.from_numpy(place**2.0)).sum()) == pytest.approx(4.0, rel=0.01)
    torch.testing.assert_close(O.motion_psf(5), torch.full((1, 5), 0.2).double())
    torch.testing.assert_close(O.motion_psf(7.5, 30.0).flip(0), O.motion_psf(7.5, -30.0))
    assert O.motion_psf(0.5).shape == (1, 1)


def test_pylops_and_scipy():
    pylops = pytest.importorskip("pylops")
    u = np.random.default_rng(0).random((6, 7))
    theirs = pylops.Smoothing2D([3, 3], dims=(6, 7))
    ours = js.operators.FlatOperator(theirs)
    np.testing.assert_allclose(ours(tensor(u))[0, 0].numpy(), theirs @ u, atol=1e-12)


class Physics:
    """As a LinearPhysics of deepinv."""

    def A(self, x, **_):  # noqa: N802
        return torch.fft.fft2(x, norm="ortho")

    def A_adjoint(self, y, **_):  # noqa: N802
        return torch.fft.ifft2(torch.view_as_complex(y), norm="ortho").real


def test_deepinv_physics():
    operator = O.from_deepinv(Physics())
    assert O.adjoint_error(operator, torch.rand(1, 2, 5, 6).double()) < 1e-14


def test_mistakes():
    wrong = [
        lambda: O.Downsample(2, (4, 4), "sinc"),
        lambda: O.Downsample(2, (4, 4), -1.0),
        lambda: O.Downsample(2, (4, 4))(torch.rand(1, 1, 5, 5)),
        lambda: O.ColorFilterArray(("RG", "B")),
        lambda: O.ColorFilterArray(("XY",)),
        lambda: O.ColorFilterArray()(torch.rand(1, 1, 4, 4)),
        lambda: O.Radon(0, (4, 4)),
        lambda: O.Radon([np.nan], (4, 4)),
        lambda: O.Radon(3, (4, 0)),
        lambda: O.Radon(3, (4, 4))(torch.rand(1, 1, 5, 5)),
        lambda: O.Radon(3, (4, 4)).adjoint(torch.rand(1, 1, 5, 5)),
        lambda: O.FanBeam(3, (40, 40), source=10.0, detector=5.0),
        lambda: O.RaySums(np.zeros((3, 4)), (4, 4)),
        lambda: O.Fourier(torch.ones(3, 3), torch.ones(2, 3, 4)),
        lambda: O.Fourier(torch.ones(3, 3))(torch.rand(1, 1, 4, 4)),
        lambda: O.Fourier(torch.tensor([torch.nan])),
        lambda: O.FlatOperator(np.ones((3, 4)), (5,)),
        lambda: O.FlatOperator("matrix", (5,)),
        lambda: O.gaussian_psf(0.0),
        lambda: O.motion_psf(0.0),
        lambda: O.from_deepinv(3),
    ]
    for make in wrong:
        with pytest.raises(js.InputError):
            make()
