"""JPEG: tables read and estimated, the quantization constraint, and the method that uses both."""

from io import BytesIO
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
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
    buffer = BytesIO()
    Image.fromarray(drawn()).save(buffer, "jpeg", quality=20, subsampling="4:4:4")
    f = np.asarray(Image.open(buffer))
    assert not estimate_tables(tensor(f)).is_trivial
    assert estimate_tables(tensor(f[3:, 5:])).is_trivial  # the blocks begin elsewhere


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
    mine = js.smooth(f, method="dejpeg", tables=tables, weights=path)
    assert np.abs(mine - js.smooth(f, method="dejpeg", tables=tables)).max() > 0.01
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


def test_an_image_that_was_never_a_jpeg_is_unchanged():
    f = drawn(40, 48)
    assert np.array_equal(js.smooth(f, method="dejpeg"), f)
    jpeg = js.datasets.jpeg(f / 255.0, 20)
    assert np.array_equal(js.smooth(jpeg, method="dejpeg", weight=0.0), jpeg)


def test_in_a_batch_only_the_jpegs_change(monkeypatch):
    plain = drawn(48, 56) / 255.0
    coded = js.datasets.jpeg(plain, 20)
    both = torch.stack([torch.from_numpy(x.transpose(2, 0, 1)) for x in (plain, coded)])
    answers = js.smooth(both, method="dejpeg", n_steps=2)
    assert torch.equal(answers[0], both[0])
    assert torch.equal(answers[1:], js.smooth(both[1:], method="dejpeg", n_steps=2))
    assert not torch.equal(answers[1], both[1])
    monkeypatch.setattr("jumpset.learned.dejpeg.solve", lambda *_: pytest.fail("nothing is to be smoothed"))
    assert torch.equal(js.smooth(both[:1], method="dejpeg"), both[:1])


def test_starts(tmp_path):
    path, f = saved(tmp_path, drawn(48, 56), 25)
    answers = {}
    for name, start in {"gsf": "gsf", "none": None, "f": f, "gray": np.full_like(f, 99)}.items():
        answers[name] = js.smooth(f, method="dejpeg", tables=path, start=start, n_steps=1)
    assert np.array_equal(answers["none"], answers["f"])
    assert not np.array_equal(answers["none"], answers["gsf"])
    clip_art = js.smooth(
        f, method="dejpeg", tables=path, start=js.method("gsf", preset="clip-art"), n_steps=1
    )
    assert np.array_equal(clip_art, js.smooth(f, method="dejpeg", tables=path, n_steps=1))
    with pytest.raises(js.InputError, match="size and the channels"):
        js.smooth(f, method="dejpeg", tables=path, start=f[1:])


@pytest.mark.parametrize(
    "wrong", [{"weight": 1.5}, {"tables": 3}, {"start": "tv"}, {"width": -1.0}, {"n_steps": -1}]
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
