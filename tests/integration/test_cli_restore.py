"""``jumpset restore``: what the function gives, in files; mistakes in one line."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import jumpset as js
from jumpset import operators as O  # noqa: N812
from jumpset.cli.app import app


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def truth():
    return np.rint(255 * js.datasets.shapes(24, 32, seed=1)).astype(np.uint8)


@pytest.fixture
def source(tmp_path, truth):
    path = tmp_path / "in.png"
    js.io.write_picture(path, truth)
    return path


def pixels(path):
    return js.io.read_picture(path).pixels


@pytest.mark.parametrize(
    ("arguments", "operator"),
    [
        (("--operator", "blur:gaussian,sigma=1"), O.Blur.gaussian(1.0)),
        (
            ("--operator", "blur:motion,length=5,angle=30,boundary=periodic"),
            O.Blur.motion(5, 30, boundary="periodic"),
        ),
        (("--scale", "2"), O.Downsample(2, (48, 64), "cubic")),
        (("--operator", "downsample,factor=3,kernel=box"), O.Downsample(3, (72, 96))),
        ((), None),
    ],
)
def test_restore_is_js_restore(arguments, operator, source, tmp_path, truth):
    result = call("restore", source, tmp_path / "out.png", *arguments, "--noise", "0.01", "--max-steps", "3")
    assert result.exit_code == 0, result.output
    expected = js.restore(truth, operator, noise=0.01, max_steps=3, value_range=(0, 255)).image
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), expected)
    assert "auto, 3 steps" in result.stderr


def test_holes_are_filled(source, tmp_path, truth):
    known = np.ones((24, 32), np.uint8)
    known[5:9, 8:14] = 0
    js.io.write_picture(tmp_path / "mask.png", 255 * known)
    js.io.write_picture(source, truth * known[..., None])
    assert (
        call("restore", source, source, "--mask", tmp_path / "mask.png", "--prior", "tv", "-q").exit_code == 0
    )
    found = pixels(source)
    assert js.metrics.psnr(found, truth) > js.metrics.psnr(truth * known[..., None], truth) + 6
    expected = js.restore(truth * known[..., None], O.Mask(known), prior="tv", value_range=(0, 255)).image
    np.testing.assert_array_equal(found, expected)


def test_missing_pixels(source, tmp_path, truth):
    truth[5:9, 8:14] = 0
    js.io.write_picture(source, truth)
    out = tmp_path / "out.png"
    assert call("restore", source, out, "--missing", "0", "--prior", "tv", "-q").exit_code == 0
    np.testing.assert_array_equal(
        pixels(out), js.restore(truth, prior="tv", missing=0, value_range=(0, 255)).image
    )
    floats = np.where(truth > 0, truth / np.float32(255), np.nan).astype(np.float32)
    np.save(tmp_path / "in.npy", floats)
    assert call("restore", tmp_path / "in.npy", tmp_path / "out.tif", "--missing", "nan").exit_code == 0
    assert np.isfinite(pixels(tmp_path / "out.tif")).all()


def test_mosaic_and_jpeg(source, tmp_path, truth):
    mosaic = np.where(
        O.ColorFilterArray().mask(torch.zeros(1, 1, 24, 32))[0].movedim(0, -1).numpy() > 0, truth, 0
    )
    js.io.write_picture(tmp_path / "raw.png", mosaic.sum(-1).astype(np.uint8))
    assert call("restore", tmp_path / "raw.png", tmp_path / "rgb.png", "--operator", "bayer").exit_code == 0
    assert pixels(tmp_path / "rgb.png").shape == truth.shape
    expected = js.restore(pixels(tmp_path / "raw.png"), O.ColorFilterArray(), value_range=(0, 255)).image
    np.testing.assert_array_equal(pixels(tmp_path / "rgb.png"), expected)
    js.io.write_picture(tmp_path / "in.jpg", truth)
    assert call("restore", tmp_path / "in.jpg", tmp_path / "out.png", "--operator", "jpeg").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--operator", "blurr:gaussian,sigma=2"), "did you mean"),
        (("--operator", ""), "operator"),
        (("--operator", "blur:gaussian"), "sigma"),
        (("--operator", "blur:gaussian,sigma=-1"), "sigma"),
        (("--operator", "blur:gaussian,sigma=wide"), "sigma"),
        (("--operator", "blur:gaussian,size=3"), "sigma"),
        (("--operator", "bayer"), "bands"),
        (("--operator", "jpeg"), "JPEG"),
        (("--operator", "downsample,factor=2", "--scale", "2"), "one of them"),
        (("--scale", "0"), "scale"),
        (("--prior", "pots"), "potts"),
        (("--noise", "-1"), "noise"),
        (("--max-seconds", "0"), "--max-seconds"),
        (("--mask", "no.png"), "no.png"),
        (("--missing", "none"), "nan or a number"),
        (("--missing", "0", "--operator", "jpeg"), "JPEG"),
    ],
)
def test_mistakes_are_one_line(arguments, word, source, tmp_path):
    result = call("restore", source, tmp_path / "out.png", *arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("jumpset: ")
    assert word in result.stderr
    assert not (tmp_path / "out.png").exists()


def test_a_mask_of_another_size_is_said(source, tmp_path):
    js.io.write_picture(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    result = call("restore", source, tmp_path / "out.png", "--mask", tmp_path / "mask.png")
    assert result.exit_code == 2
    assert "size" in result.stderr
