"""Images given by a path or as PIL images: the answer is of the natural kind."""

import numpy as np
import pytest
import torch
from PIL import Image

import jumpset as js
from jumpset.io.sources import open_image, to_pil

RGB = js.datasets.coffee()[80:111, 100:147]
GRAY = RGB[..., 1].copy()


def rgba():
    alpha = np.arange(GRAY.size, dtype=np.uint8).reshape(*GRAY.shape, 1)
    return np.concatenate([RGB, alpha], axis=2)


@pytest.mark.parametrize("array", [RGB, GRAY, rgba(), GRAY.astype(np.uint16) * 257, GRAY / np.float32(255)])
def test_a_pil_image_gives_a_pil_image(array):
    image = Image.fromarray(array)
    image.info["icc_profile"] = b"profile"
    answer = js.smooth(image, "tv", weight=0.05)
    assert isinstance(answer, Image.Image)
    assert answer.mode == image.mode
    assert answer.info["icc_profile"] == b"profile"
    np.testing.assert_array_equal(np.asarray(answer), js.smooth(array, "tv", weight=0.05))
    np.testing.assert_array_equal(np.asarray(image), array)  # as it was


@pytest.mark.parametrize(
    ("mode", "then"),
    [("1", "1"), ("LA", "LA"), ("P", "RGB"), ("PA", "RGBA"), ("La", "LA"), ("RGBa", "RGBA"), ("RGBX", "RGB"), ("YCbCr", "RGB")],
)  # fmt: skip
def test_modes_without_plain_samples(mode, then):
    image = Image.fromarray(RGB)
    for step in {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode, ""), mode:
        image = image.convert(step) if step else image
    answer = js.smooth(image, "tv", weight=0.05)
    assert (answer.mode, answer.size) == (then, image.size)


@pytest.mark.parametrize("mode", ["CMYK", "HSV", "LAB"])
def test_values_that_are_no_intensities(mode):
    image = Image.new(mode, (5, 4))
    with pytest.raises(js.InputError, match=r"convert\('RGB'\)"):
        js.smooth(image)


def test_a_transparent_colour_becomes_alpha():
    image = Image.fromarray(GRAY)
    image.info["transparency"] = int(GRAY[0, 0])
    answer = js.smooth(image, "tv")
    assert answer.mode == "LA"
    assert "transparency" not in answer.info
    np.testing.assert_array_equal(np.asarray(answer)[..., 1], np.where(GRAY == GRAY[0, 0], 0, 255))


def test_big_endian_samples():
    image = Image.frombytes("I;16B", (47, 31), (GRAY.astype(">u2") * 257).tobytes())
    opened = open_image(image)
    assert opened is not None
    np.testing.assert_array_equal(opened.pixels, GRAY.astype(np.uint16) * 257)
    assert to_pil(opened.pixels, image).mode == "I;16"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_path_gives_an_array(tmp_path, kind):
    path = tmp_path / "a.png"
    js.io.write_picture(path, RGB)
    np.testing.assert_array_equal(js.smooth(kind(path), "tv"), js.smooth(RGB, "tv"))
    js.io.write_picture(path, js.io.Picture(RGB, alpha=rgba()[..., 3]))
    np.testing.assert_array_equal(js.smooth(kind(path), "tv"), js.smooth(rgba(), "tv"))
    result = js.run(kind(path), js.method("tv"))
    np.testing.assert_array_equal(result.image, js.smooth(rgba(), "tv"))


def test_missing_pixels_of_a_file(tmp_path):
    holes = RGB / np.float32(255)
    holes[3:5, 4:9, 0] = np.nan
    js_path = tmp_path / "a.npy"
    np.save(js_path, holes)
    np.testing.assert_array_equal(
        js.smooth(js_path, "tv", missing="nan"), js.smooth(holes, "tv", missing="nan")
    )
    with pytest.raises(js.FileError, match="non-finite"):
        js.smooth(js_path, "tv")


def test_the_tables_of_a_file_are_used(tmp_path):
    path = tmp_path / "a.jpg"
    js.io.write_picture(path, RGB, quality=30)
    pixels = js.io.read_picture(path).pixels
    expected = js.smooth(pixels, "dejpeg", tables=js.jpeg.jpeg_tables(path))
    np.testing.assert_array_equal(js.smooth(path, "dejpeg"), expected)


def test_the_guidance_may_be_a_path_or_a_pil_image(tmp_path):
    path = tmp_path / "a.png"
    js.io.write_picture(path, js.io.Picture(RGB, alpha=rgba()[..., 3]))
    expected = js.smooth(GRAY, "guided", guidance=RGB)
    for guidance in (path, str(path), Image.fromarray(rgba())):
        np.testing.assert_array_equal(js.smooth(GRAY, "guided", guidance=guidance), expected)


def test_a_callback_sees_pil_images():
    film = js.running.Snapshots()
    js.run(Image.fromarray(RGB), js.method("rtv"), callback=film)
    assert {image.mode for image in film.images} == {"RGB"}


def test_what_is_no_image_is_still_refused(tmp_path):
    for wrong in (b"a.png", None, [1, 2], object()):
        with pytest.raises(js.InputError, match="NumPy array or a torch tensor"):
            js.smooth(wrong)
    for path in ("", tmp_path, tmp_path / "no.png"):
        with pytest.raises(js.FileError):
            js.smooth(path)
    assert isinstance(js.smooth(torch.rand(1, 1, 5, 6), "tv"), torch.Tensor)


def test_a_picture_that_lies_on_its_side_is_upright_however_it_is_given(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels).save(tmp_path / "side.png", exif=exif)
    given = Image.open(tmp_path / "side.png")
    from_path = js.smooth(tmp_path / "side.png", "guided", guidance=given)
    from_pil = js.smooth(given, "guided", guidance=tmp_path / "side.png")
    assert from_pil.getexif().get(274, 1) == 1
    np.testing.assert_array_equal(np.asarray(from_pil), from_path)
    assert from_path.shape == (16, 12, 3)


def test_tiles_and_restore_open_what_smooth_opens(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (24, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    whole = js.smooth(pixels, "guided", guidance=tmp_path / "in.png", radius=2)
    tiled = js.apply_tiled(pixels, "guided", guidance=tmp_path / "in.png", radius=2, tile=16, channel_axis=-1)
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    with pytest.raises(js.InputError, match="does not fit"):
        js.apply_tiled(pixels[:, :20], "guided", guidance=tmp_path / "in.png", tile=16)
    holes = pixels.copy()
    holes[5:9, 5:9] = 0
    Image.fromarray(holes).save(tmp_path / "holes.png")
    options = {"missing": 0, "noise": 0.01, "prior": "tv", "max_steps": 20}
    expected = js.restore(holes, value_range=(0, 255), **options).image
    np.testing.assert_array_equal(js.restore(tmp_path / "holes.png", **options).image, expected)
    of_pil = js.restore(Image.open(tmp_path / "holes.png"), **options).image
    np.testing.assert_array_equal(np.asarray(of_pil), expected)
    with pytest.raises(js.InputError, match="complex data"):
        js.restore(np.ones((8, 8), complex))
