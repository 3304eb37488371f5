"""What methods promise of signals, volumes and the spacing of their axes; of names of axes."""

import dataclasses

import numpy as np
import pytest
import torch

import jumpset as js

VOLUMES = sorted(name for name, info in js.methods().items() if 3 in info.cls.spatial_ndims)
FLAT = sorted(
    name
    for name, info in js.methods().items()
    if 3 not in info.cls.spatial_ndims and not name.startswith("dip") and name not in js.learned.SIZES
)
SPACED = [n for n in VOLUMES if "spacing" in js.methods()[n].defaults]
QUICK = {"tv": {"tol": 1e-9}, "wls": {"tol": 1e-9}, "ils": {"n_steps": 4}}


def smooth(image, name, axes, **settings):
    return js.smooth(image, name, axes=axes, **QUICK.get(name, {}), **settings)


@pytest.fixture
def volume():
    return np.random.default_rng(3).random((4, 7, 9))


def test_the_everyday_methods_take_volumes():
    everyday = {"tv", "l0", "potts", "wls", "fgs", "guided", "bilateral", "domain-transform", "ils"}
    assert everyday <= set(VOLUMES)


@pytest.mark.parametrize("name", VOLUMES)
@pytest.mark.parametrize("channels", [0, 3])
def test_a_volume_of_one_slice_is_its_image(name, channels, volume):
    image = np.repeat(volume[0][..., None], channels, -1) if channels else volume[0]
    tail = "c" if channels else ""
    expected = smooth(image, name, "yx" + tail)
    np.testing.assert_allclose(smooth(image[None], name, "zyx" + tail)[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in VOLUMES if 1 in js.methods()[n].cls.spatial_ndims])
def test_a_signal_is_an_image_of_one_row(name, volume):
    expected = smooth(volume[0, :1], name, "yx")[0]
    np.testing.assert_allclose(smooth(volume[0, 0], name, "x"), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", VOLUMES)
@pytest.mark.parametrize("shape", [(1,), (1, 1, 1), (3, 1, 1), (1, 3, 1), (1, 1, 3), (2, 1, 3), (2, 3, 1)])
def test_any_axis_may_have_one_pixel(name, shape):
    image = np.random.default_rng(0).random(shape)
    out = smooth(image, name, "zyx"[-len(shape) :])
    assert out.shape == shape
    assert image.min() - 0.05 <= out.min() <= out.max() <= image.max() + 0.05


@pytest.mark.parametrize("name", VOLUMES)
def test_names_say_the_order_of_the_axes(name, volume):
    """Whatever the order of the axes in memory, the answer is that of the volume."""
    image = np.stack([volume, 0.5 * volume], axis=-1)
    expected = smooth(image, name, "zyxc")
    moved = smooth(image.transpose(3, 2, 0, 1), name, "cxzy")
    np.testing.assert_array_equal(moved.transpose(2, 3, 1, 0), expected)
    tensor = smooth(torch.from_numpy(image).permute(3, 0, 1, 2)[None], name, "tczyx")
    np.testing.assert_array_equal(tensor[0].permute(1, 2, 3, 0).numpy(), expected)


@pytest.mark.parametrize("name", sorted({*VOLUMES, *FLAT}))
def test_t_is_a_batch_of_separate_images(name, volume):
    stack = volume[:2].astype(np.float32)
    together = smooth(stack, name, "tyx")
    for k in range(2):
        np.testing.assert_allclose(together[k], smooth(stack[k], name, "yx"), rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", SPACED)
def test_axes_are_alike(name, volume):
    """A transposed volume, its spacing transposed, too, has the transposed answer."""
    if not js.methods()[name].cls.is_symmetric:
        pytest.skip("the method declares is_symmetric = False")
    expected = smooth(volume, name, "zyx", spacing=(2.0, 1.0, 0.5))
    turned = smooth(np.ascontiguousarray(volume.T), name, "zyx", spacing=(0.5, 1.0, 2.0)).T
    np.testing.assert_allclose(turned, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SPACED)
def test_spacing_is_relative(name, volume):
    """Equal spacing is none, in any unit; voxels that are long in z are smoothed less along z."""
    expected = smooth(volume, name, "zyx")
    np.testing.assert_array_equal(smooth(volume, name, "zyx", spacing=(3.0, 3.0, 3.0)), expected)
    millimetres = smooth(volume, name, "zyx", spacing=(2.0, 0.5, 0.5))
    metres = smooth(volume, name, "zyx", spacing=(0.002, 0.0005, 0.0005))
    np.testing.assert_allclose(metres, millimetres, rtol=0, atol=1e-9)
    if name not in ("potts", "region-fusion"):  # these decide in an order over the whole volume
        apart = smooth(volume, name, "zyx", spacing=(1e4, 1.0, 1.0))
        slices = smooth(volume, name, "tyx", spacing=(1.0, 1.0))
        np.testing.assert_allclose(apart, slices, rtol=0, atol=1e-3)


@pytest.mark.parametrize("isotropic", [True, False])
def test_total_variation_with_spacing_against_a_general_solver(isotropic, volume):
    cp = pytest.importorskip("cvxpy")
    f, spacing, weight = volume[:3, :4, :5], (2.0, 0.5, 1.0), 0.15
    u = cp.Variable(f.size)
    index = np.arange(f.size).reshape(f.shape)
    rows = []
    for axis, h in enumerate(spacing):
        ahead = np.minimum(np.indices(f.shape)[axis] + 1, f.shape[axis] - 1)
        there = np.take_along_axis(index, ahead, axis)
        rows.append((u[there.ravel()] - u[index.ravel()]) * (min(spacing) / h))
    gradient = cp.vstack(rows)
    penalty = cp.sum(cp.norm(gradient, 2, axis=0)) if isotropic else cp.sum(cp.abs(gradient))
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(u - f.ravel()) + weight * penalty)).solve(solver="CLARABEL")
    settings = {"weight": weight, "isotropic": isotropic, "spacing": spacing, "tol": 1e-9}
    out = js.smooth(f, js.smoothers.TV(**settings), axes="zyx")
    np.testing.assert_allclose(out, u.value.reshape(f.shape), rtol=0, atol=2e-5)
    penalty = js.TotalVariation(isotropic=isotropic, spacing=spacing)
    prox = penalty.prox(torch.from_numpy(f)[None, None], weight, tol=1e-9)[0, 0].numpy()
    np.testing.assert_allclose(prox, out, rtol=0, atol=2e-5)


def test_weighted_least_squares_with_spacing_against_a_dense_solve(volume):
    f, spacing = volume[:3, :4, :5], (2.0, 0.5, 1.0)
    out = js.smooth(f, "wls", axes="zyx", spacing=spacing, tol=1e-12)
    index = np.arange(f.size).reshape(f.shape)
    log, matrix = np.log(f + 0.3).ravel(), np.eye(f.size)
    for axis, h in enumerate(spacing):
        s = min(spacing) / h
        ends = np.delete(index, -1, axis).ravel(), np.delete(index, 0, axis).ravel()
        for p, q in zip(*ends, strict=True):
            w = 0.1 * s**2 / (abs(s * (log[p] - log[q])) ** 2 + 1e-4)
            matrix[[p, q], [p, q]] += w
            matrix[[p, q], [q, p]] -= w
    np.testing.assert_allclose(out.ravel(), np.linalg.solve(matrix, f.ravel()), rtol=0, atol=1e-8)


def test_bilateral_and_guided_volumes_by_their_definitions(volume):
    f, spacing = volume[:3, :4, :5], (2.0, 1.0, 1.0)
    out = js.smooth(f, "bilateral", axes="zyx", radius=1.0, weight=0.3, spacing=spacing)
    places = np.argwhere(np.ones(f.shape, bool)) * spacing
    square = ((places[:, None] - places) ** 2).sum(-1)
    near = np.where(square <= 9.0, np.exp(-square / 2), 0.0)
    near *= np.exp(-((f.reshape(-1, 1) - f.ravel()) ** 2) / (2 * 0.3**2))
    np.testing.assert_allclose(out.ravel(), near @ f.ravel() / near.sum(1), rtol=0, atol=1e-10)

    out = js.smooth(f, "guided", axes="zyx", radius=2, weight=0.05, spacing=spacing)

    def means(x):
        each = np.empty_like(x)
        for p in np.ndindex(x.shape):
            windows = (slice(max(i - r, 0), i + r + 1) for i, r in zip(p, (1, 2, 2), strict=True))
            each[p] = x[tuple(windows)].mean()
        return each

    variance = means(f * f) - means(f) ** 2
    a = variance / (variance + 0.05)
    expected = means(a) * f + means((1 - a) * means(f))
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [n for n in SPACED if "mask" in js.methods()[n].defaults])
def test_masks_and_guidance_of_volumes(name, volume):
    mask = np.random.default_rng(5).random(volume.shape) > 0.2
    hidden = np.where(mask, volume, 0.9)
    expected = smooth(volume, name, "zyx", mask=mask)
    np.testing.assert_array_equal(smooth(hidden, name, "zyx", mask=mask), expected)
    stack = smooth(np.stack([volume, hidden]), name, "tzyx", mask=mask)
    np.testing.assert_allclose(stack, np.stack([expected] * 2), rtol=0, atol=1e-9)
    nan = np.where(mask, volume, np.nan)
    np.testing.assert_array_equal(smooth(nan, name, "zyx", missing="nan"), expected)
    if "guidance" in js.methods()[name].defaults:
        guided = smooth(np.stack([volume, volume]), name, "czyx", guidance=volume)
        assert guided.shape == (2, *volume.shape)


@pytest.mark.parametrize(
    ("axes", "options", "words"),
    [
        ("zy", {}, "one letter"),
        ("yxy", {}, "one letter"),
        ("zyxq", {}, "one letter"),
        ("yx", {}, "for 3 axes"),
        (3, {}, "one letter"),
        ("zyx", {"channel_axis": 0}, "axes says where the channels are"),
        ("zyx", {"method": "gsf"}, "axes='tyx'"),
        ("zyx", {"spacing": (1.0, 2.0)}, "spacing"),
        ("zyx", {"spacing": (1.0, 0.0, 2.0)}, "above 0"),
        ("zyx", {"spacing": 2.0}, "each spatial axis"),
        ("zyx", {"mask": np.ones((2, 2), bool)}, "mask does not fit"),
    ],
)  # fmt: skip
def test_bad_axes(axes, options, words, volume):
    with pytest.raises(js.InputError) as error:
        js.smooth(volume, axes=axes, **{"method": "tv"} | options)
    assert words in str(error.value)


@pytest.mark.parametrize("name", FLAT)
def test_other_methods_refuse_volumes_at_once(name, volume):
    with pytest.raises(js.InputError, match="takes 2-D images"):
        smooth(volume, name, "zyx")


def test_labels_and_alpha_have_the_axes_of_the_image(volume):
    stack = (255 * np.stack([volume] * 4, -1)).astype(np.uint8)
    assert js.run(stack, js.method("region-fusion"), axes="tyxc").labels.shape == volume.shape
    out = js.smooth(stack, "tv", axes="tyxc", alpha=True)
    np.testing.assert_array_equal(out[..., 3], stack[..., 3])
    assert (out[..., 0] != stack[..., 0]).any()
    swapped = js.run(volume[0].T, js.method("region-fusion"), axes="xy").labels
    np.testing.assert_array_equal(swapped.T, js.run(volume[0], js.method("region-fusion")).labels)


@pytest.mark.parametrize("name", SPACED)
def test_spacing_is_a_field_of_the_method(name):
    method = dataclasses.replace(js.method(name), spacing=(2.0, 1.0, 1.0))
    assert method.spacing == (2.0, 1.0, 1.0)
