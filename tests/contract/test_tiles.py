"""Tiled = whole, for every method that states how far an answer depends on its input, and every kind of array."""

import pickle

import numpy as np
import pytest

import jumpset as js

TOL = 1e-3
LOCAL = sorted(name for name in js.methods() if js.method(name).halo_for(TOL) is not None)
GLOBAL = sorted(set(js.methods()) - set(LOCAL))
# Weights of which the halo is less than the image.
WEIGHTS = {"tv": {"weight": 0.02, "tol": 1e-5}, "wls": {"weight": 0.01}, "rolling-guidance": {"weight": 1.0}}


@pytest.fixture(scope="module")
def image():
    """A photograph with more than one tile of 257 pixels."""
    return js.datasets.coffee()[:300, :310] / np.float32(255)


def test_the_everyday_methods_are_local():
    assert {"fgs", "wls", "tv", "guided", "bilateral", "domain-transform", "rolling-guidance"} <= set(LOCAL)


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("tile", [64, 100, 257])
def test_tiles_have_the_answer_of_the_whole(name, tile, image):
    method = js.method(name, **WEIGHTS.get(name, {}))
    if method.halo_for(TOL) > 64:
        image = image[:270, :140]  # tiles are mostly margin
    whole = js.smooth(image, method)
    out = js.apply_tiled(image, method, tile=tile, tol=TOL)
    np.testing.assert_allclose(out, whole, rtol=0, atol=TOL)


@pytest.mark.parametrize("name", LOCAL)
def test_a_smaller_tolerance_has_no_smaller_radius(name):
    method = js.method(name)
    radii = [method.halo_for(tol) for tol in (1e-1, 1e-2, 1e-3, 1e-4)]
    assert radii == sorted(radii)
    assert radii[-1] >= (method.halo or 0)


@pytest.mark.parametrize("name", GLOBAL)
def test_methods_without_radius_say_so(name, image):
    with pytest.raises(js.InputError, match="depends on the whole array"):
        js.apply_tiled(image[:20, :20], name)


@pytest.mark.parametrize("name", ["tv", "fgs", "guided", "bilateral", "wls", "domain-transform"])
def test_volumes_and_stacks(name):
    rng = np.random.default_rng(2)
    array = rng.random((2, 5, 40, 30)).astype(np.float32)
    settings = {"tv": {"weight": 0.002}, "fgs": {"weight": 2.0}, "wls": {"weight": 1e-4}}
    method = js.method(name, **settings.get(name, {"domain-transform": {"reach": 2.0}}.get(name, {})))
    whole = js.smooth(array, method, axes="tzyx")
    out = js.apply_tiled(array, method, axes="tzyx", tile=(3, 16, 17), workers=2, tol=TOL)
    np.testing.assert_allclose(out, whole, rtol=0, atol=TOL)


def test_workers_change_no_digit(image):
    one = js.apply_tiled(image, "fgs", tile=100)
    np.testing.assert_array_equal(js.apply_tiled(image, "fgs", tile=100, workers=3), one)


def test_masks_and_guidance_are_cut_with_the_tiles(image):
    rng = np.random.default_rng(1)
    mask = rng.random(image.shape[:2]) > 0.3
    method = js.smoothers.Guided(radius=3, guidance=image[..., 0])
    out = js.apply_tiled(image, method, tile=90)
    np.testing.assert_allclose(out, js.smooth(image, method), rtol=0, atol=1e-5)
    method = js.smoothers.Guided(radius=3, mask=mask)
    difference = np.abs(js.apply_tiled(image, method, tile=90) - js.smooth(image, method))
    assert np.quantile(difference, 0.999) < 1e-5  # the rest has two nearest valid pixels
    assert difference.max() < 0.05


def test_what_depends_on_all_values_is_measured_once(image):
    """The range of the data, and that four bytes are RGBA."""
    counts = (1000 + 3000 * image).astype(np.uint16)
    out = js.apply_tiled(counts, "fgs", tile=90, value_range="data")
    whole = js.smooth(counts, "fgs", value_range="data")
    np.testing.assert_allclose(out.astype(int), whole.astype(int), atol=4)
    with pytest.warns(js._core.errors.RangeWarning, match="of the range of its dtype"):
        js.apply_tiled(counts, "guided", tile=200)
    rgba = np.dstack([(255 * image).astype(np.uint8), np.arange(310, dtype=np.uint8)[None].repeat(300, 0)])
    out = js.apply_tiled(rgba, "guided", tile=90)
    np.testing.assert_allclose(out.astype(int), js.smooth(rgba, "guided"), rtol=0, atol=1)
    np.testing.assert_array_equal(out[..., 3], rgba[..., 3])


@pytest.mark.parametrize("nodata", [-9999.0, np.nan])
def test_pixels_without_data_stay_and_have_no_influence(nodata, image):
    heights = image[..., 0].copy()
    heights[20:140, 30:150] = nodata
    heights[200, 200] = nodata
    lacks = np.isnan(heights) | (heights == -9999.0)
    out = js.apply_tiled(heights, "fgs", tile=64, nodata=nodata)
    np.testing.assert_array_equal(np.isnan(out) | (out == -9999.0), lacks)
    whole = js.smooth(np.where(lacks, 0.5, heights), "fgs", mask=~lacks)
    np.testing.assert_allclose(out[~lacks], whole[~lacks], rtol=0, atol=2 * TOL)


def test_memory_maps(image, tmp_path):
    source = np.lib.format.open_memmap(tmp_path / "in.npy", "w+", np.float32, image.shape)
    source[:] = image
    target = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, image.shape)
    seen = []
    out = js.apply_tiled(source, "guided", tile=100, out=target, progress=lambda *now: seen.append(now))
    assert out is target
    np.testing.assert_allclose(target, js.smooth(image, "guided"), rtol=0, atol=1e-5)
    assert seen[0] == (0, 12)
    assert seen[-1] == (12, 12)


def test_only_the_windows_are_read(image):
    class Counted:
        """An array on a disk."""

        shape, dtype, ndim = image.shape, image.dtype, 3

        def __init__(self):
            self.largest = 0

        def __getitem__(self, window):
            block = image[window]
            self.largest = max(self.largest, block.size)
            return block

    array = Counted()
    js.apply_tiled(array, "guided", tile=50)
    assert array.largest <= 3 * (50 + 2 * 8) ** 2


def test_zarr(image, tmp_path):
    zarr = pytest.importorskip("zarr")
    source = zarr.create_array(tmp_path / "in.zarr", shape=image.shape, chunks=(64, 64, 3), dtype="f4")
    source[:] = image
    target = zarr.create_array(tmp_path / "out.zarr", shape=image.shape, chunks=(64, 64, 3), dtype="f4")
    js.apply_tiled(source, "guided", tile=128, out=target, workers=2)
    np.testing.assert_allclose(target[:], js.smooth(image, "guided"), rtol=0, atol=1e-5)


def test_dask_is_lazy_and_does_not_depend_on_chunks(image):
    da = pytest.importorskip("dask.array")
    reads = []

    def block(x):
        reads.append(x.shape)
        return x

    whole = js.smooth(image, "guided")
    for chunks in (64, (100, 257, 3)):
        lazy = js.apply_tiled(da.from_array(image, chunks=chunks).map_blocks(block, dtype="f4"), "guided")
        n = len(reads)
        assert lazy.shape == image.shape
        np.testing.assert_allclose(lazy.compute(scheduler="synchronous"), whole, rtol=0, atol=1e-5)
        assert len(reads) > n
    scaled = js.apply_tiled(da.from_array(100 * image, chunks=100), "guided", value_range="data")
    expected = js.smooth(100 * image, "guided", value_range="data")
    np.testing.assert_allclose(scaled.compute(scheduler="synchronous"), expected, rtol=0, atol=1e-3)


def test_xarray_keeps_coordinates_and_attributes(image):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("dask")
    heights = xr.DataArray(
        image[..., 0],
        dims=("lat", "lon"),
        coords={"lat": np.linspace(50, 47, 300), "lon": np.arange(310)},
        attrs={"units": "m", "crs": "EPSG:4326"},
        name="elevation",
    )
    expected = js.smooth(image[..., 0], "guided")
    for array in (heights, heights.chunk({"lat": 64, "lon": 100})):
        out = js.apply_tiled(array, "guided")
        assert out.attrs == heights.attrs
        assert out.name == "elevation"
        xr.testing.assert_equal(out.coords.to_dataset(), heights.coords.to_dataset())
        np.testing.assert_allclose(out.values, expected, rtol=0, atol=1e-5)
    with pytest.raises(js.InputError, match="unknown names"):
        js.apply_tiled(heights.rename(lat="rows of seats"), "guided")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": 0}, "tile must be"),
        ({"tile": (5, 5, 5)}, "one for each spatial axis"),
        ({"workers": 0}, "workers must be"),
        ({"tol": 0.0}, "tol must be"),
        ({"overlap": -1}, "overlap must be"),
        ({"out": np.zeros((2, 2))}, "out must have"),
        ({"nodata": "none"}, "nodata must be a number"),
        ({"method": "rolling-guidance", "nodata": 0.0}, "method with a mask"),
        ({"mask": np.ones((3, 3), bool)}, "mask does not fit"),
        ({"guidance": np.ones((3, 3))}, "guidance does not fit"),
    ],
)
def test_bad_options(options, words, image):
    with pytest.raises(js.InputError) as error:
        js.apply_tiled(image, **{"method": "guided"} | options)
    assert words in str(error.value)


def test_bad_arrays(image):
    bad = image.copy()
    bad[5, 5, 0] = np.nan
    calls = []
    for array, words in (
        (bad, "non-finite"),
        (image * 100, "float images are expected within"),
        (image.astype(complex), "dtype"),
        (list(image), "takes arrays"),
        (image[None], "have no names"),
        (image[:0], "no pixels"),
        (image.astype(np.int64), "integers of 64 bits"),
    ):
        with pytest.raises(js.InputError) as error:
            js.apply_tiled(array, "guided", progress=lambda *now: calls.append(now))
        assert words in str(error.value), words
    assert not calls, "a tile was begun before the array was checked"
    with pytest.raises(js.InputError, match="out is the array"):
        js.apply_tiled(image, "guided", out=image)


def test_jobs_travel_to_other_processes(image):
    da = pytest.importorskip("dask.array")
    lazy = js.apply_tiled(da.from_array(image, chunks=150), js.smoothers.Guided(radius=2))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(lazy)).compute(scheduler="synchronous"),
        lazy.compute(scheduler="synchronous"),
    )


def test_dask_arrays_thinner_than_the_margin():
    da = pytest.importorskip("dask.array")
    volume = np.random.default_rng(0).random((5, 24, 30)).astype(np.float32)
    lazy = js.apply_tiled(da.from_array(volume, chunks=(5, 12, 15)), "fgs", axes="zyx", value_range=(0, 1))
    whole = js.smooth(volume, "fgs", axes="zyx", value_range=(0, 1))
    np.testing.assert_allclose(lazy.compute(), whole, rtol=0, atol=2e-3)
