"""Files larger than memory: formats, what they keep, interruption, and the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli._tiles import as_bytes
from jumpset.cli.app import app
from jumpset.running.tiled_files import choose_sides


@pytest.fixture(scope="module")
def image():
    return js.datasets.coffee()[:200, :270]


def everything(raster):
    return raster[tuple(slice(n) for n in raster.shape)]


TIFFS = {
    "tiles": {"tile": (64, 64), "compression": "zlib"},
    "strips": {"rowsperstrip": 17, "compression": "zlib", "predictor": True},
    "plain": {},
    "big": {"bigtiff": True, "tile": (32, 48)},
    "other order": {"byteorder": ">", "rowsperstrip": 50, "compression": "zlib"},
}


@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS)
@pytest.mark.parametrize("planar", [False, True])
def test_windows_of_tiffs(options, planar, image, tmp_path):
    pixels = (257 * image.astype(np.uint16)).transpose(2, 0, 1).copy() if planar else image
    settings = {"photometric": "rgb", "planarconfig": "separate" if planar else "contig"} | options
    tifffile.imwrite(tmp_path / "in.tif", pixels, **settings)
    with js.io.open_raster(tmp_path / "in.tif") as raster:
        assert (raster.shape, raster.axes) == (pixels.shape, "cyx" if planar else "yxc")
        np.testing.assert_array_equal(everything(raster), pixels)
        rng = np.random.default_rng(0)
        for _ in range(10):
            window = tuple(slice(*sorted(rng.choice(n + 1, 2, replace=False))) for n in pixels.shape)
            np.testing.assert_array_equal(raster[window], pixels[window])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_keeps_axes_and_spacing(compression, tmp_path):
    stack = np.random.default_rng(1).integers(0, 4096, (2, 3, 40, 50)).astype(np.uint16)
    metadata = {"axes": "TZYX", "PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "in.ome.tif", stack, metadata=metadata, ome=True, compression=compression)
    method = js.method("bilateral", radius=1.0, spacing=(2.0, 0.5, 0.5))
    js.running.smooth_file(
        tmp_path / "in.ome.tif", tmp_path / "out.tif", method, tile=16, value_range=(0, 4095)
    )
    with js.io.open_raster(tmp_path / "out.tif") as raster:
        assert (raster.axes, raster.spacing, raster.dtype) == ("tzyx", (2.0, 0.5, 0.5), np.uint16)
        whole = js.smooth(stack, method, axes="tzyx", value_range=(0, 4095))
        np.testing.assert_array_equal(everything(raster), whole)


def test_geotiff_tags_and_nodata_are_kept(tmp_path):
    heights = np.random.default_rng(2).random((150, 160)).astype(np.float32)
    heights[30:60, 40:90] = -9999
    ground = [
        (33550, 12, 3, (10.0, 10.0, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 5e6, 0.0), True),
        (34735, 3, 8, (1, 1, 0, 1, 3072, 0, 1, 32633), True),
        (42113, 2, 6, "-9999", True),
    ]
    tifffile.imwrite(tmp_path / "in.tif", heights, tile=(64, 64), extratags=ground)
    js.running.smooth_file(tmp_path / "in.tif", tmp_path / "out.tif", js.method("guided"), tile=50)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        tags, out = file.pages[0].tags, file.asarray()
        for code, _, _, value, _ in ground:
            assert tags.valueof(code) == value
    np.testing.assert_array_equal(out == -9999, heights == -9999)
    assert np.abs(out[heights != -9999] - 0.5).max() < 0.6


def test_cloud_optimized_geotiff(image, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    from rasterio.transform import Affine

    transform = Affine(10.0, 0.0, 5e5, 0.0, -10.0, 5e6)
    profile = {"driver": "COG", "width": 270, "height": 200, "count": 3, "dtype": "uint8", "nodata": 0}
    large = {"crs": "EPSG:32633", "transform": transform, "blocksize": 128, "compress": "LZW"}
    with rasterio.open(tmp_path / "in.tif", "w", **profile, **large) as file:
        file.write(image.transpose(2, 0, 1))
        file.update_tags(AREA="somewhere")
    js.running.smooth_file(tmp_path / "in.tif", tmp_path / "out.tif", js.method("fgs", weight=3.0), tile=100)
    with rasterio.open(tmp_path / "in.tif") as a, rasterio.open(tmp_path / "out.tif") as b:
        assert (b.crs, b.transform, b.nodata) == (a.crs, a.transform, 0)
        assert b.tags()["AREA"] == "somewhere"
        assert b.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_zarr_and_ome_zarr(image, tmp_path):
    zarr = pytest.importorskip("zarr")
    stack = np.stack([image[..., 0]] * 3).astype(np.uint16) * 16
    group = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=3)
    group.create_array("0", shape=stack.shape, chunks=(1, 64, 64), dtype="u2")[:] = stack
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
    js.running.smooth_file(
        tmp_path / "in.zarr", tmp_path / "out.zarr", js.method("guided"), tile=70, value_range=(0, 4095)
    )
    with js.io.open_raster(tmp_path / "out.zarr") as raster:
        assert (raster.axes, raster.spacing) == ("zyx", (2.0, 0.5, 0.5))
        assert raster.details["attributes"] == dict(group.attrs)
        whole = js.smooth(stack, "guided", axes="zyx", value_range=(0, 4095))
        assert np.abs(everything(raster).astype(int) - whole).max() <= 1
    js.running.smooth_file(
        tmp_path / "out.zarr", tmp_path / "out.tif", js.method("guided"), value_range=(0, 4095)
    )
    with js.io.open_raster(tmp_path / "out.tif") as raster:
        assert (raster.axes, raster.spacing) == ("zyx", (2.0, 0.5, 0.5))


class Stop(Exception):
    pass


def test_an_interrupted_run_goes_on(image, tmp_path, monkeypatch):
    np.save(tmp_path / "in.npy", image)
    source, target, method = tmp_path / "in.npy", tmp_path / "out.npy", js.method("guided")
    target.write_bytes(b"old")

    def stop(done, total):
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        js.running.smooth_file(source, target, method, tile=64, progress=stop)
    assert target.read_bytes() == b"old"
    assert (tmp_path / "out.npy.partial").is_dir()
    with pytest.raises(js.InputError, match="had another method"):
        js.running.smooth_file(source, target, js.method("fgs", weight=1.0), overlap=8, tile=64)
    with pytest.raises(js.InputError, match="had another tiles"):
        js.running.smooth_file(source, target, method, tile=50)
    seen = []
    result = js.running.smooth_file(source, target, method, tile=64, progress=lambda *now: seen.append(now))
    assert result.n_resumed in (3, 4)
    assert seen[0] == (result.n_resumed, 20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.npy", "out.npy"]
    assert np.abs(np.load(target).astype(int) - js.smooth(image, "guided")).max() <= 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_control_c_and_resume_on_the_command_line(tmp_path):
    big = np.random.default_rng(0).integers(0, 255, (1500, 1500)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", big, tile=(256, 256), compression="zlib")
    command = [
        sys.executable,
        "-m",
        "jumpset",
        "smooth",
        "in.tif",
        "out.tif",
        "-m",
        "bilateral",
        "--tile",
        "100",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    done = tmp_path / "out.tif.partial" / "done.npy"
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not (done.exists() and np.load(done).sum() >= 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130, message
    assert "the same command goes on" in message
    assert not (tmp_path / "out.tif").exists()
    finished = int(np.load(done).sum())
    assert 3 <= finished < 225
    again = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    first = next(json.loads(line) for line in again.stdout.splitlines() if '"tiles"' in line)
    assert first["tiles"] == finished
    assert sorted(os.listdir(tmp_path)) == ["in.tif", "out.tif"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), js.smooth(big, "bilateral"))


def test_two_processes_do_not_write_one_output(image, tmp_path):
    pytest.importorskip("fcntl")
    np.save(tmp_path / "in.npy", image)

    def again(done, total):
        if done == 1:
            with pytest.raises(js.InputError, match="another process"):
                js.running.smooth_file(
                    tmp_path / "in.npy", tmp_path / "out.npy", js.method("guided"), tile=64
                )

    js.running.smooth_file(
        tmp_path / "in.npy", tmp_path / "out.npy", js.method("guided"), tile=64, progress=again
    )


def test_a_full_disk_and_a_foreign_folder(image, tmp_path, monkeypatch):
    np.save(tmp_path / "in.npy", image)
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(js.FileError, match="GB are needed"):
            js.running.smooth_file(tmp_path / "in.npy", tmp_path / "out.npy", js.method("guided"), tile=64)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.npy"]
    partial = tmp_path / "out.npy.partial"
    partial.mkdir()
    for text in ("[1]", "{", "{}"):
        (partial / "run.json").write_text(text)
        with pytest.raises(js.InputError):
            js.running.smooth_file(tmp_path / "in.npy", tmp_path / "out.npy", js.method("guided"), tile=64)
        assert (partial / "run.json").read_text() == text


def test_the_memory_sets_the_tile():
    settings = {"shape": (50_000, 40_000, 3), "axes": "yxc", "margin": 100, "workers": 2}
    small, large = (choose_sides(None, max_memory=n * 10**9, **settings) for n in (1, 8))
    assert small < large
    with pytest.raises(js.InputError, match="too small"):
        choose_sides(None, max_memory=10**8, **settings)
    with pytest.raises(js.InputError, match="do not fit"):
        choose_sides(20_000, max_memory=10**9, **settings)


@pytest.mark.parametrize(
    ("text", "number"),
    [("4GB", 4 * 10**9), ("800 MB", 8 * 10**8), ("1.5G", 15 * 10**8), ("2GiB", 2**31), ("4096", 4096)],
)
def test_sizes(text, number):
    assert as_bytes(text) == number


def test_command_line(image, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb")
    monkeypatch.chdir(tmp_path)
    options = ["-m", "guided", "--tile", "64", "--workers", "2"]
    done = CliRunner().invoke(app, ["smooth", "in.tif", "out.tif", *options])
    assert done.exit_code == 0, done.output
    assert "20 tiles of 64 x 64 with a margin of 8" in done.stderr
    out = tifffile.imread(tmp_path / "out.tif").astype(int)
    assert np.abs(out - js.smooth(image, "guided")).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("in.tif", "out.tif", "--tile", "64", "-m", "l0"), "depends on the whole array"),
        (("in.tif", "out.tif", "--tile", "64", "--max-seconds", "3"), "is for images in memory"),
        (("in.tif", "out.tif", "--max-memory", "lots"), "takes a size"),
        (("in.tif", "out.png", "--tile", "64"), "TIFF, Zarr and .npy"),
        (("in.tif", "in.tif", "--tile", "64"), "another output"),
        (("in.tif", "out.tif", "--tile", "64", "--set", "spacing=(2.0,)"), "1 numbers for 2 axes"),
        (("none.tif", "out.tif", "--tile", "64"), "does not exist"),
        (("text.tif", "out.tif", "--tile", "64"), "tiles are read from"),
        (("cut.tif", "out.tif", "--tile", "64"), "cannot be read"),
    ],
)
def test_command_line_errors(arguments, words, image, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb", compression="zlib")
    (tmp_path / "text.tif").write_text("no image at all")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "in.tif").read_bytes()[:3000])
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["smooth", *arguments])
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.stderr.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.tif", "in.tif", "text.tif"]


def test_nothing_but_a_zarr_store_is_replaced_by_one(image, tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "in.zarr", mode="w")
    group.create_array("0", data=image[..., 0])
    for source, target in (
        (tmp_path / "in.zarr" / "0", tmp_path / "in.zarr"),
        (tmp_path / "in.zarr" / "0",) * 2,
    ):
        with pytest.raises(js.InputError, match="another output"):
            js.running.smooth_file(source, target, js.method("fgs"), tile=64)
    (tmp_path / "results.zarr").mkdir()
    (tmp_path / "results.zarr" / "notes.txt").write_text("mine")
    with pytest.raises(js.InputError, match="no Zarr store"):
        js.running.smooth_file(
            tmp_path / "in.zarr" / "0", tmp_path / "results.zarr", js.method("fgs"), tile=64
        )
    (tmp_path / "out.npy.partial").mkdir()
    (tmp_path / "out.npy.partial" / "notes.txt").write_text("mine")
    with pytest.raises(js.InputError, match="something else"):
        js.running.smooth_file(tmp_path / "in.zarr" / "0", tmp_path / "out.npy", js.method("fgs"), tile=64)
    assert (tmp_path / "out.npy.partial" / "notes.txt").read_text() == "mine"
    js.running.smooth_file(tmp_path / "in.zarr" / "0", tmp_path / "real.zarr", js.method("fgs"), tile=64)
    (tmp_path / "link.zarr").symlink_to(tmp_path / "real.zarr")
    js.running.smooth_file(tmp_path / "in.zarr" / "0", tmp_path / "link.zarr", js.method("fgs"), tile=64)
    assert (tmp_path / "link.zarr").is_symlink()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_holes_of_nan_by_tiles_at_the_command_line(image, tmp_path):
    pixels = image[..., 0] / np.float32(255)
    pixels[20:30, 40:50] = np.nan
    np.save(tmp_path / "in.npy", pixels)
    arguments = ["smooth", tmp_path / "in.npy", tmp_path / "out.npy", "--tile", "128", "--missing", "nan"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    out = np.load(tmp_path / "out.npy")
    np.testing.assert_array_equal(np.isnan(out), np.isnan(pixels))
