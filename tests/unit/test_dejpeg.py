"""JPEG: tables read and estimated, the quantization constraint, and the method that uses both."""

import os
from io import BytesIO
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.fft import dctn, idctn

import jumpset as js
from jumpset._core.errors import FileError, InputError
from jumpset.jpeg import JPEGTables, QuantizationConstraint, estimate_tables, jpeg_tables
from jumpset.jpeg.blocks import block_dct
from jumpset.jpeg.chroma import halve, undo_upsampling, upsample
from jumpset.learned import DeJPEG
from jumpset.learned.weights import shipped
from jumpset.running.registry import for_file

pytestmark = pytest.mark.usefixtures("one_thread")

WAYS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}


def drawn(height=112, width=136, seed=3):
    """Flat regions and a texture, away from black and white."""
    image, _ = js.datasets.textured(height, width, seed=seed)
    return (20 + 210 * np.asarray(image, float)).round().clip(0, 255).astype(np.uint8)


def text(height=96, width=160):
    """Black text on white."""
    image = Image.new("L", (width, height), 255)
    for k, row in enumerate(range(3, height - 12, 13)):
        words = "every edge of a flat region stays sharp where the others blur"[5 * k :]
        ImageDraw.Draw(image).text((4, row), words, fill=0)
    return np.asarray(image)


def comic(height=128, width=160):
    """Outlined shapes in a few colours, with smooth edges."""
    image = Image.new("RGB", (2 * width, 2 * height), (250, 225, 160))
    draw, rng = ImageDraw.Draw(image), np.random.default_rng(4)
    for k in range(12):
        x, y, a, b = (int(n) for n in rng.integers((0, 0, 30, 30), (2 * width, 2 * height, 120, 120)))
        colour = tuple(int(n) for n in rng.integers(0, 256, 3))
        (draw.ellipse if k % 2 else draw.rectangle)((x, y, x + a, y + b), colour, (0, 0, 0), 5)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def logo(height=128, width=160):
    """Three shapes on white."""
    image = Image.new("RGB", (3 * width, 3 * height), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, 300, 300), (20, 90, 170))
    draw.ellipse((100, 100, 240, 240), "white")
    draw.rectangle((250, 200, 440, 330), (220, 60, 40))
    draw.polygon([(330, 30), (460, 60), (380, 170)], (40, 150, 70))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def shapes():
    return (255 * np.asarray(js.datasets.shapes(128, 144, seed=2))).round().astype(np.uint8)


def photograph():
    x = np.asarray(js.datasets.coffee())[60:188, 200:344]
    return x if x.dtype == np.uint8 else (255 * x).round().astype(np.uint8)


def screenshot():
    image = Image.new("RGB", (200, 144), (236, 236, 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 200, 16), (50, 60, 90))
    draw.text((6, 2), "Window", "white")
    for k in range(7):
        draw.rectangle((4 + 28 * k, 20, 28 + 28 * k, 34), (250, 250, 250), (150, 150, 150))
        draw.text((8, 40 + 14 * k), "a file was saved to disk in the folder"[3 * k :], (0, 0, 0))
    return np.asarray(image)


def line_map(colours=True):
    image = Image.new("RGB", (200, 144), (242, 239, 233) if colours else "white")
    draw, rng = ImageDraw.Draw(image), np.random.default_rng(1)
    for k in range(8 if colours else 0):
        draw.polygon([tuple(p) for p in rng.integers(0, 200, (5, 2)).tolist()], ["#c8dcb4", "#aad3df"][k % 2])
    for k in range(20):
        ends = [tuple(p) for p in rng.integers(0, 200, (2, 2)).tolist()]
        draw.line(ends, ["white", "#e68c78", "#787878", "black"][k % 4] if colours else "black", 1 + k % 3)
    return np.asarray(image if colours else image.convert("L"))


def dithered(way):
    image = Image.fromarray(photograph())
    if way == "bits":
        return np.asarray(image.convert("1")).astype(np.uint8) * 255
    if way == "palette":
        return np.asarray(image.quantize(16).convert("RGB"))
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    gray = np.asarray(image.convert("L")) / 255
    tiled = np.tile((matrix + 0.5) / 64, (16, 18))
    return (255 * (gray > tiled)).astype(np.uint8)


def pixel_art(side):
    small = np.random.default_rng(side).integers(0, 2, (144 // side, 192 // side))
    return np.kron(small, np.full((side, side), 255)).astype(np.uint8)


NEVER = {
    "photograph": photograph,
    "text": text,
    "comic": comic,
    "logo": logo,
    "shapes": shapes,
    "textured": drawn,
    "screenshot": screenshot,
    "map": line_map,
    "black lines": lambda: line_map(colours=False),
    "dithered to bits": lambda: dithered("bits"),
    "dithered to a palette": lambda: dithered("palette"),
    "ordered dither": lambda: dithered("ordered"),
    "pixels of 2": lambda: pixel_art(2),
    "pixels of 4": lambda: pixel_art(4),
    "pixels of 5": lambda: pixel_art(5),
    "pixels of 8": lambda: pixel_art(8),
    "ramp": lambda: np.tile(np.arange(192, dtype=np.uint8), (96, 1)),
    "stripes": lambda: np.tile((np.arange(192) // 3 % 2 * 255).astype(np.uint8), (96, 1)),
    "posterized": lambda: photograph() // 32 * 32,
}


def tensor(pixels):
    return torch.from_numpy(np.atleast_3d(pixels).transpose(2, 0, 1)[None] / 255.0)


def psnr(x, y):
    return -10 * float(torch.log10((x - y).square().mean()))


def saved(folder, pixels, quality, way="4:2:0", **options):
    path = folder / "a.jpg"
    Image.fromarray(pixels.squeeze()).save(path, quality=quality, subsampling=way, **options)
    return path, np.asarray(Image.open(path))


# --- tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quality", [10, 35, 70])
def test_tables_are_read_and_estimated(tmp_path, quality, way):
    path, f = saved(tmp_path, drawn(), quality, way)
    read = jpeg_tables(path)
    with Image.open(path) as image:
        assert np.array_equal(read.luma.ravel(), image.quantization[0])
        assert np.array_equal(read.chroma.ravel(), image.quantization[1])
    assert (read.rows, read.columns) == WAYS[way]
    found = estimate_tables(tensor(f))
    assert (found.rows, found.columns) == WAYS[way]
    low = np.add.outer(np.arange(8), np.arange(8)) < 4  # frequencies at which a textured image has content
    low[0, 0] = False
    assert np.mean(found.luma[low] == read.luma[low]) > 0.8
    assert np.mean(np.abs(found.chroma - read.chroma)[low] <= 1) > 0.6


def test_gray_files_have_one_table(tmp_path):
    path, f = saved(tmp_path, drawn()[..., :1], 30)
    read = jpeg_tables(path)
    assert (read.rows, read.columns) == (1, 1)
    assert np.array_equal(read.luma, read.chroma)
    assert np.median(np.abs(estimate_tables(tensor(f)).luma - read.luma)) <= 1


@pytest.mark.parametrize("kind", ["png", "turned", "cmyk", "nothing", "missing"])
def test_files_without_usable_tables(tmp_path, kind):
    path = tmp_path / "a.jpg"
    image = Image.fromarray(drawn(24, 32))
    if kind == "png":
        image.save(path, format="png")
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(path, exif=exif)
    elif kind == "cmyk":
        image.convert("CMYK").save(path)
    elif kind == "nothing":
        path.write_bytes(b"no image")
    with pytest.raises(js.FileError):
        jpeg_tables(path)
    method = DeJPEG()
    assert for_file(method, path) is method


def test_tables_of_other_images_are_trivial():
    assert estimate_tables(tensor(drawn())).is_trivial
    assert estimate_tables(torch.rand(1, 3, 40, 48)).is_trivial
    assert estimate_tables(torch.full((1, 1, 3, 5), 0.3)).is_trivial
    f = js.datasets.jpeg(drawn(), 20, "4:4:4")
    assert not estimate_tables(tensor(f)).is_trivial
    assert estimate_tables(tensor(f[3:, 5:])).is_trivial  # the blocks begin elsewhere


@pytest.mark.parametrize("quality", [20, 40, 75, 90])
@pytest.mark.parametrize("picture", ["logo", "text", "comic", "shapes", "photograph"])
def test_tables_of_pictures_with_equal_and_clipped_blocks(tmp_path, picture, quality):
    truth = {"logo": logo, "text": text, "comic": comic, "shapes": shapes, "photograph": photograph}[
        picture
    ]()
    path, f = saved(tmp_path, truth, quality)
    read, found = jpeg_tables(path), estimate_tables(tensor(f))
    assert np.array_equal(found.luma, read.luma)
    if f.ndim == 3:
        assert np.array_equal(found.chroma, read.chroma)
        assert (found.rows, found.columns) == (2, 2)


def test_tables_of_another_encoder(tmp_path):
    steps = np.rint(10 + 6.0 * np.add.outer(np.arange(8), np.arange(8))).astype(int)
    path = tmp_path / "a.jpg"
    flat = steps.ravel().tolist()
    Image.fromarray(shapes()).save(path, qtables=[flat, flat], subsampling="4:2:0")
    found, read = estimate_tables(tensor(np.asarray(Image.open(path)))), jpeg_tables(path)
    low = np.add.outer(np.arange(8), np.arange(8)) < 4
    low[0, 0] = False
    assert np.mean(found.luma[low] == read.luma[low]) > 0.8
    assert found.luma.max() < 3 * read.luma.max()


def test_chroma_that_is_not_found_has_the_usual_table(tmp_path):
    f = np.stack([drawn()[..., 0]] * 3, -1)
    f[4:6, 4:6] = (90, 60, 60)  # hardly any chroma
    path, f = saved(tmp_path, f, 40)
    assert np.array_equal(estimate_tables(tensor(f)).chroma, jpeg_tables(path).chroma)


@pytest.mark.parametrize("kind", ["pipe", "zeros", "cut", "folder"])
def test_odd_files_have_no_tables(tmp_path, kind):
    path = tmp_path / "a.jpg"
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes")
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        buffer = BytesIO()
        Image.fromarray(drawn(24, 32)).save(buffer, "jpeg", quality=50)
        content = bytearray(buffer.getvalue())
        at = content.index(b"\xff\xdb")
        if kind == "zeros":
            content[at + 5 : at + 69] = bytes(64)
        path.write_bytes(content if kind == "zeros" else content[: at + 40])
    with pytest.raises(js.FileError):
        jpeg_tables(path)
    method = DeJPEG()
    assert for_file(method, path) is method


@pytest.mark.parametrize("wrong", [{"luma": np.ones(64)}, {"chroma": np.zeros((8, 8))}, {"rows": 3}])
def test_wrong_tables(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        JPEGTables(**{"luma": np.ones((8, 8)), "chroma": np.ones((8, 8)), **wrong})


# --- the quantization constraint ----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 9, 16])
def test_undo_upsampling_inverts_the_decoders_interpolation(length):
    x = torch.rand(1, 2, 7, -(-length // 2), dtype=torch.float64)
    seen = halve(upsample(x, -1, length), -1)
    torch.testing.assert_close(undo_upsampling(seen, -1, length), x)
    torch.testing.assert_close(undo_upsampling(seen.mT, -2, length), x.mT)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(112, 136), (61, 75)])
def test_the_stored_image_satisfies_the_constraint(tmp_path, way, size):
    truth = drawn(*size)
    path, f = saved(tmp_path, truth, 30, way)
    constraint = QuantizationConstraint.of(tensor(f), jpeg_tables(path))
    near = constraint.project(tensor(truth))
    assert psnr(near, tensor(truth)) > psnr(tensor(f), tensor(truth)) + 12
    kept = constraint.project(tensor(f))
    assert psnr(kept, tensor(f)) > 45


def test_projection_is_onto_the_cells(tmp_path):
    path, f = saved(
        tmp_path, drawn()[..., :1] // 3 + 85, 15
    )  # away from 0 and 255, since clipping would violate the constraint
    tables = jpeg_tables(path)
    constraint = QuantizationConstraint.of(tensor(f), tables)
    u = tensor(f) + 0.2 * torch.randn(1, 1, *f.shape[:2], dtype=torch.float64).clamp(-1, 1)
    for width in (0.5, 0.2):
        near = constraint.project(u, width=width)
        blocks = 255 * (near - tensor(f))[0, 0].numpy().reshape(14, 8, 17, 8).transpose(0, 2, 1, 3)
        c = np.abs(dctn(blocks, axes=(2, 3), norm="ortho")) / tables.luma
        assert near.min() > 0
        assert near.max() < 1
        assert c.max() <= width + 3 / tables.luma.min()  # f is rounded to 8 bits
        torch.testing.assert_close(constraint.project(near, width=width), near, atol=1e-9, rtol=0)


def test_another_image_violates_the_constraint(tmp_path):
    path, f = saved(tmp_path, drawn(), 30)
    other = tensor(drawn(seed=9))
    constraint = QuantizationConstraint.of(tensor(f), jpeg_tables(path))
    assert psnr(constraint.project(other), other) < 30


def coded(pixels, steps):
    """Quantize a gray image with these steps: coefficients in units of 1/255, and pixels."""
    height, width = pixels.shape
    blocks = (pixels.astype(float) - 128).reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3)
    c = steps * np.rint(dctn(blocks, axes=(2, 3), norm="ortho") / steps)
    held = idctn(c, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3).reshape(height, width) + 128
    return c, held


def test_values_before_clipping_are_estimated():
    pixels = np.where(drawn(96, 120)[..., 0] > 120, 255, 0)  # rings around every edge
    steps = 28.0 + 4 * np.add.outer(np.arange(8), np.arange(8))
    c, held = coded(pixels, steps)
    f = np.rint(held.clip(0, 255))[..., None]
    tables = JPEGTables(steps, steps)
    constraint = QuantizationConstraint.of(tensor(f), tables)
    found = 255 * constraint.centres[0][0, 0].numpy()
    rounded = steps * np.rint(255 * block_dct(tables.subsampling.planes(tensor(f))[0])[0, 0].numpy() / steps)
    assert np.mean(np.abs(rounded - c) > 1) > 0.01  # the nearest multiples are not those of the file
    assert np.mean(np.abs(found - c) > 1) < 0.25 * np.mean(np.abs(rounded - c) > 1)
    error = np.abs(255 * constraint.unclipped[0, 0].numpy() - held)
    assert np.abs(f[..., 0] - held).mean() > 4 * error.mean()


def test_the_dc_step_is_used_only_where_it_fits():
    steps = np.full((8, 8), 20.0)
    c, held = coded(drawn(64, 72)[..., 1] // 2 + 60, steps)
    f = tensor(np.rint(held)[..., None])
    sure = 255 * QuantizationConstraint.of(f, JPEGTables(steps, steps)).centres[0][0, 0].numpy()
    np.testing.assert_allclose(sure, c, atol=1e-3)
    wrong = steps.copy()
    wrong[0, 0] = 150.0
    kept = 255 * QuantizationConstraint.of(f, JPEGTables(wrong, wrong)).centres[0][0, 0].numpy()
    np.testing.assert_allclose(kept[..., 0, 0], c[..., 0, 0], atol=5)  # some are clipped


# --- the method ---------------------------------------------------------------------------------------------


def test_dejpeg_beats_its_parts(tmp_path):
    truth = (255 * np.asarray(js.datasets.shapes(128, 144, seed=2))).round().astype(np.uint8)
    path, f = saved(tmp_path, truth, 20)
    scores = {
        "input": f,
        "net": js.smooth(f, method="jumpset-net"),
        "gsf": js.smooth(f, method="gsf", preset="clip-art"),
        "dejpeg": js.smooth(f, method="dejpeg", tables=path),
    }
    scores = {name: js.metrics.psnr(u, truth) for name, u in scores.items()}
    assert scores["dejpeg"] > scores["input"] + 1
    assert scores["dejpeg"] > max(scores["net"], scores["gsf"])


def test_weights_from_a_file(tmp_path):
    f, tables = drawn(32, 40) / 255.0, JPEGTables(np.full((8, 8), 30), np.full((8, 8), 40))
    network = js.learned.build("dejpeg", {"widths": [4], "blocks": [1]})
    path = tmp_path / "w.safetensors"
    js.learned.save_weights(path, "dejpeg", {"widths": [4], "blocks": [1]}, network.state_dict())
    settings = {"method": "dejpeg", "tables": tables, "kind": "flat"}
    mine = js.smooth(f, weights=path, **settings)
    assert np.abs(mine - js.smooth(f, **settings)).max() > 0.01
    for wrong, match in ((tmp_path / "gone.safetensors", "no file of weights"), (shipped("vdcnn"), "vdcnn")):
        with pytest.raises(FileError, match=match):
            js.method("dejpeg", weights=wrong).init(torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match="'shipped' or a file"):
        js.method("dejpeg", weights=3)


@pytest.mark.parametrize(("bands", "dtype"), [*product([1, 2, 3], ["uint8", "float64"])])
def test_any_bands_size_and_kind(bands, dtype):
    pixels = drawn(43, 50)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=20)
    f = np.asarray(Image.open(buffer))[..., :bands]
    f = f if dtype == "uint8" else f / 255.0
    u = js.smooth(f, method="dejpeg", tables=JPEGTables(np.full((8, 8), 30), np.full((8, 8), 40)), n_steps=1)
    assert u.shape == f.shape
    assert u.dtype == f.dtype
    assert not np.array_equal(u, f)


@pytest.mark.parametrize("kind", NEVER)
def test_an_image_that_was_never_a_jpeg_is_unchanged(kind):
    f = NEVER[kind]()
    assert estimate_tables(tensor(f)).is_trivial
    with pytest.warns(RuntimeWarning, match="no JPEG grid"):
        result = js.run(f, js.method("dejpeg"))
    assert np.array_equal(result.image, f)
    assert result.n_steps == 0


def test_weight_zero_changes_nothing():
    jpeg = js.datasets.jpeg(drawn(40, 48) / 255.0, 20)
    assert np.array_equal(js.smooth(jpeg, method="dejpeg", weight=0.0), jpeg)


def test_what_lost_its_grid_is_named(tmp_path):
    pixels = drawn()
    _, f = saved(tmp_path, pixels, 40)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "webp", quality=30)
    for lost in (f[3:, 5:], np.asarray(Image.open(buffer).convert("RGB"))):
        with pytest.warns(RuntimeWarning, match="cropped.*gsf.*collaborative"):
            assert np.array_equal(js.smooth(lost, method="dejpeg"), lost)


def test_chroma_without_a_grid_is_named_and_kept(tmp_path):
    _, f = saved(tmp_path, drawn(160, 192), 50)
    y = np.asarray(Image.fromarray(f).convert("YCbCr")).copy()
    quarter = y[:, : 4 * (y.shape[1] // 4), 1:].reshape(y.shape[0], -1, 4, 2).mean(axis=2)
    y[..., 1:] = np.repeat(quarter, 4, axis=1).round()  # as in 4:1:1, shifted from the file's blocks
    f = np.asarray(Image.fromarray(y, mode="YCbCr").convert("RGB"))
    with pytest.warns(RuntimeWarning, match="no JPEG grid was found in the chroma"):
        u = js.smooth(f / 255.0, method="dejpeg")
    to_chroma = np.array([[-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    change = u - f / 255.0
    assert np.abs(change).max() > 0.01
    assert np.abs(change @ to_chroma.T)[8:-8, 8:-8].mean() < 0.25 * np.abs(change).mean()


def test_in_a_batch_only_the_jpegs_change():
    plain = drawn(48, 56) / 255.0
    coded = js.datasets.jpeg(plain, 20)
    both = torch.stack([torch.from_numpy(x.transpose(2, 0, 1)) for x in (plain, coded)])
    with pytest.warns(RuntimeWarning, match="1 of 2 images"):
        answers = js.smooth(both, method="dejpeg")
    assert torch.equal(answers[0], both[0])
    assert torch.equal(answers[1:], js.smooth(both[1:], method="dejpeg"))
    assert not torch.equal(answers[1], both[1])


@pytest.mark.parametrize("kind", ["flat", "photograph"])
def test_gray_in_three_bands_is_the_gray_answer(tmp_path, kind):
    path, f = saved(tmp_path, text(), 75)
    assert f.ndim == 2
    gray = js.smooth(f, method="dejpeg", tables=path, kind=kind)
    for tables in (path, saved(tmp_path, np.stack([text()] * 3, -1), 75)[0]):
        colour = js.smooth(np.stack([f] * 3, -1), method="dejpeg", tables=tables, kind=kind)
        assert np.array_equal(colour, np.stack([gray] * 3, -1))
    assert js.metrics.psnr(gray, text()) > js.metrics.psnr(f, text()) + 1


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("picture", ["text", "drawing", "photograph"])
def test_the_answer_is_an_image_of_the_file(tmp_path, picture, quality):
    truth = {"text": text, "drawing": comic, "photograph": photograph}[picture]()
    path, f = saved(tmp_path, truth, quality)
    u = js.smooth(f, method="dejpeg", tables=path)
    tables = jpeg_tables(path)
    luma = tables.subsampling.planes(tensor(u))[0]
    height, width = (8 * (n // 8) for n in luma.shape[-2:])
    c = 255 * block_dct(luma[..., :height, :width])
    centres = (
        255 * QuantizationConstraint.of(tensor(f), tables).centres[0][..., : height // 8, : width // 8, :, :]
    )
    off = (c - centres).abs() / torch.as_tensor(tables.luma)
    rounding = 1.5 / torch.as_tensor(tables.luma)
    assert (off > 0.6 + rounding).double().mean() < 0.002


def test_gray_text_in_a_colour_image_stays_gray(tmp_path):
    truth = np.stack([text(128, 160)] * 3, -1)
    truth[100:124, 130:154] = (220, 40, 40)
    path, f = saved(tmp_path, truth, 75)
    u = js.smooth(f, method="dejpeg", tables=path)
    assert np.ptp(f[:80], axis=-1).max() == np.ptp(u[:80], axis=-1).max() == 0
    assert js.metrics.psnr(u, truth) > js.metrics.psnr(f, truth) + 2


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90])
def test_no_photograph_is_harmed(quality):
    truth = photograph()
    f = js.datasets.jpeg(truth, quality)
    result = js.run(f, js.method("dejpeg"))
    assert quality == 10 or not result.state.coded[0].is_flat
    assert js.metrics.psnr(result.image, truth) > js.metrics.psnr(f, truth) + 0.2


@pytest.mark.parametrize("quality", [20, 50, 90])
@pytest.mark.parametrize("picture", ["shapes", "text", "comic"])
def test_flat_art_is_seen_and_gains(tmp_path, picture, quality):
    truth = {"shapes": shapes, "text": text, "comic": comic}[picture]()
    path, f = saved(tmp_path, truth, quality)
    result = js.run(f, js.method("dejpeg", tables=path))
    assert result.state.coded[0].is_flat
    least = 1.0 if quality == 90 else 1.5
    assert js.metrics.psnr(result.image, truth) > js.metrics.psnr(f, truth) + least


def test_starts(tmp_path):
    path, f = saved(tmp_path, drawn(48, 56), 25)
    settings = {"method": "dejpeg", "tables": path, "n_steps": 1, "kind": "flat"}
    gsf = js.method("gsf", preset="clip-art")
    answers = {}
    for name, start in {"none": None, "gsf": gsf, "image": js.smooth(f / 255.0, method=gsf)}.items():
        answers[name] = js.smooth(f / 255.0, start=start, **settings)
    np.testing.assert_allclose(answers["gsf"], answers["image"], atol=1e-5)
    assert not np.array_equal(answers["none"], answers["gsf"])
    with pytest.raises(js.InputError, match="size and the channels"):
        js.smooth(f, start=f[1:], **settings)
    photo = js.smooth(f, start=np.full_like(f, 99), **(settings | {"kind": "photograph"}))
    assert np.array_equal(photo, js.smooth(f, **(settings | {"kind": "photograph"})))


def test_a_start_is_stepped_within_the_limits(tmp_path):
    path, f = saved(tmp_path, drawn(48, 56), 25)
    method = js.method("dejpeg", preset="best", tables=path, kind="flat")
    whole = js.run(f, js.method("dejpeg", tables=path, kind="photograph"))
    part = js.run(f, method, max_steps=4)  # two of the filter, two of the start
    assert part.n_steps == 4
    assert np.array_equal(part.image, whole.image)
    steps = method.start.max_steps
    assert method.max_steps == 2 + steps + 4
    short = js.run(f, method, max_seconds=1e-3)
    assert short.status is js.Status.TIME_LIMIT
    assert short.n_steps < 4


def test_dejpeg_continues_from_a_checkpoint(tmp_path):
    path, f = saved(tmp_path, drawn(48, 56), 20)
    method = js.method("dejpeg", tables=path, start=js.method("gsf", preset="clip-art"), kind="flat")
    whole = js.run(f, method).image
    for steps in (1, 4, method.max_steps - 1):
        kept = tmp_path / f"run{steps}.ckpt"
        js.run(f, method, checkpoint=kept, checkpoint_every=1, max_steps=steps)
        assert np.array_equal(js.run(f, method, checkpoint=kept).image, whole)


@pytest.mark.parametrize(
    "wrong",
    [{"weight": 1.5}, {"tables": 3}, {"start": "tv"}, {"width": -1.0}, {"n_steps": -1}, {"kind": "comic"}],
)
def test_wrong_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        DeJPEG(**wrong)


def test_the_files_tables_are_used_where_there_is_a_file(tmp_path):
    path, _ = saved(tmp_path, drawn(48, 56), 25)
    assert np.array_equal(for_file(DeJPEG(), path).tables.luma, jpeg_tables(path).luma)
    mine = JPEGTables(np.full((8, 8), 9), np.full((8, 8), 9))
    assert for_file(DeJPEG(tables=mine), path).tables is mine
    assert for_file(js.method("dip-l0"), path).tables.luma.shape == (8, 8)
    for other in (js.method("tv"), js.method("dip-l0", preset="paper"), js.method("dip-l0", preset="jpeg")):
        assert for_file(other, path) is other


@pytest.mark.parametrize("bands", [1, 3])
def test_dip_l0_satisfies_the_constraint_of_the_file(tmp_path, bands):
    path, f = saved(tmp_path, drawn(64, 72)[..., :bands], 20)
    method = js.method("dip-l0", tables=path, outer_steps=2)
    tables, result = jpeg_tables(path), js.run(f, method)
    constraint = QuantizationConstraint.of(tensor(f), tables)
    torch.testing.assert_close(result.state.observation.f, constraint.unclipped.float())
    u = tensor(np.atleast_3d(result.image))
    assert psnr(constraint.project(u), u) > 45  # it is rounded to 8 bits
    with pytest.raises(js.InputError, match="chroma"):
        js.method("dip-l0", preset="jpeg", tables=path)
    with pytest.raises(js.InputError, match="tables"):
        js.method("dip-l0", tables=4)


@pytest.mark.slow
def test_dejpeg_from_a_deep_image_prior(tmp_path):
    truth = (255 * np.asarray(js.datasets.shapes(96, 96, seed=2))).round().astype(np.uint8)
    path, f = saved(tmp_path, truth, 20)
    u = js.smooth(f, method="dejpeg", preset="best", tables=path)
    assert js.metrics.psnr(u, truth) > js.metrics.psnr(f, truth) + 1


def test_dip_l0_of_a_file_continues_from_a_checkpoint(tmp_path):
    path, f = saved(tmp_path, drawn(48, 56), 20)
    method = js.method("dip-l0", tables=path, outer_steps=3)
    whole = js.run(f, method).image
    kept = tmp_path / "run.ckpt"
    js.run(f, method, checkpoint=kept, checkpoint_every=1, max_steps=2)
    assert np.array_equal(js.run(f, method, checkpoint=kept).image, whole)
