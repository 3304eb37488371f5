"""Images survive writing and reading in every format, and agree with other programs."""

from __future__ import annotations

import itertools
import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageOps

from jumpset import io
from jumpset.io._exif import with_entries

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def random_pixels(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if dtype in FLOATS:
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def camera_exif(orientation=1, order="<"):
    """An EXIF block with texts, an exposure time and a position."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "Maker", orientation
    exif[0x8769] = {0x829A: (1, 50), 0x9003: "2024:05:06 07:08:09", 0x927C: b"maker's own notes"}
    exif[0x8825] = {1: "N"}
    return exif.tobytes().removeprefix(b"Exif\0\0")


def pillow_image(path):
    """The file as Pillow opens it, with no file left open."""
    return Image.open(BytesIO(path.read_bytes()))


def content(exif):
    """The values of an EXIF block, without their offsets."""
    parsed = Image.Exif()
    parsed.load(exif)
    main = {tag: parsed[tag] for tag in parsed if tag not in (0x8769, 0x8825)}
    return main, dict(parsed.get_ifd(0x8769)), dict(parsed.get_ifd(0x8825))


def same(left, right):
    np.testing.assert_array_equal(left.pixels, right.pixels, strict=True)
    assert (left.alpha is None) == (right.alpha is None)
    if left.alpha is not None:
        np.testing.assert_array_equal(left.alpha, right.alpha, strict=True)


# --- every format, dtype and number of bands -------------------------------------------------------------

SHAPES = [(7, 5), (7, 5, 3), (1, 1), (1, 6, 3), (6, 1)]
CASES = [
    *itertools.product([".png"], ["uint8", "uint16"], SHAPES, [False, True]),
    *itertools.product([".webp"], ["uint8"], [(7, 5, 3), (1, 6, 3)], [False, True]),
    *itertools.product(
        [".tif"], (*INTEGERS, *FLOATS), [*SHAPES, (7, 5, 2), (7, 5, 4), (7, 5, 9)], [False, True]
    ),
    *itertools.product([".npy"], (*INTEGERS, *FLOATS), [*SHAPES, (7, 5, 1), (7, 5, 9)], [False]),
]


@pytest.mark.parametrize(("suffix", "dtype", "shape", "with_alpha"), CASES)
def test_lossless_formats_give_back_what_was_written(tmp_path, suffix, dtype, shape, with_alpha):
    pixels = random_pixels(shape, dtype)
    alpha = random_pixels(shape[:2], dtype, seed=1) if with_alpha else None
    path = tmp_path / f"a{suffix}"
    picture = io.Picture(pixels, alpha, PROFILE, camera_exif(), dpi=(300.0, 200.0))
    io.write_picture(path, picture)
    back = io.read_picture(path)
    same(back, picture)
    assert back.format == {".tif": "tiff"}.get(suffix, suffix[1:])
    assert back.pixels.flags.c_contiguous
    assert back.pixels.flags.writeable
    if suffix == ".npy":
        return
    assert back.icc_profile == PROFILE
    assert content(back.exif)[1:] == content(picture.exif)[1:]
    assert content(back.exif)[0][0x010F] == "Maker"
    if suffix != ".webp":
        assert back.dpi == pytest.approx((300, 200), rel=1e-3)
    io.write_picture(path, back)  # write again what was read
    same(io.read_picture(path), back)


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)])
def test_jpeg_is_close_and_keeps_the_rest(tmp_path, shape):
    smooth = np.linspace(20, 230, 16 * 24).reshape(16, 24, 1) * np.linspace(
        0.5, 1, shape[-1] if len(shape) == 3 else 1
    )
    picture = io.Picture(
        np.rint(smooth).astype(np.uint8).reshape(shape), None, PROFILE, camera_exif(), dpi=(300, 200)
    )
    io.write_picture(tmp_path / "a.jpg", picture)
    back = io.read_picture(tmp_path / "a.jpg")
    assert back.pixels.shape == shape
    assert np.abs(back.pixels.astype(int) - picture.pixels).max() <= 4
    assert (back.icc_profile, back.exif, back.dpi, back.format) == (PROFILE, picture.exif, (300, 200), "jpeg")
    sampling = pillow_image(tmp_path / "a.jpg").layer
    assert {component[1:3] for component in sampling} == {(1, 1)}  # 4:4:4


def test_truth_values_are_written_as_black_and_white(tmp_path):
    mask = random_pixels((5, 4), "uint8") > 128
    for name in ("a.png", "a.tif", "a.npy"):
        io.write_picture(tmp_path / name, io.Picture(mask, None if name == "a.npy" else ~mask))
        back = io.read_picture(tmp_path / name)
        np.testing.assert_array_equal(back.pixels, np.where(mask, 255, 0).astype(np.uint8), strict=True)
        assert back.alpha is None or np.array_equal(back.alpha, np.where(mask, 0, 255))


def test_gray_in_webp_comes_back_as_equal_colours(tmp_path):
    gray = random_pixels((5, 4), "uint8")
    io.write_picture(tmp_path / "a.webp", io.Picture(gray, gray))
    back = io.read_picture(tmp_path / "a.webp")
    np.testing.assert_array_equal(back.pixels, np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_array_equal(back.alpha, gray)


def test_npy_of_any_layout_and_byte_order(tmp_path):
    pixels = random_pixels((7, 5, 3), "float32")
    for array in (np.asfortranarray(pixels), pixels.astype(">f4"), pixels[::-1, ::2]):
        np.save(tmp_path / "a.npy", array)
        back = io.read_picture(tmp_path / "a.npy").pixels
        np.testing.assert_array_equal(back, array)
        assert back.dtype == np.float32
        assert back.flags.c_contiguous
        io.write_picture(tmp_path / "b.tif", array)
        np.testing.assert_array_equal(io.read_picture(tmp_path / "b.tif").pixels, array)


@settings(max_examples=40, deadline=None)
@given(
    pixels=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
    ),
    suffix=st.sampled_from([".png", ".tif"]),
)
def test_any_image_survives(tmp_path_factory, pixels, suffix):
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    io.write_picture(path, pixels)
    np.testing.assert_array_equal(io.read_picture(path).pixels.reshape(pixels.shape), pixels, strict=False)


# --- orientation, metadata -------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "png16", "jpeg", "webp", "tiff"])
def test_all_orientations_are_turned_upright_once(tmp_path, kind, orientation):
    stored = np.kron(random_pixels((2, 3, 3), "uint8"), np.ones((8, 8, 1), np.uint8))
    image = Image.fromarray(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a"
    if kind == "png16":
        wide = stored.astype(np.uint16) * 257
        path.write_bytes(naive_png(wide, 16, 2, extra=[(b"eXIf", exif.tobytes()[6:])]))
    else:
        image.save(
            path, format=kind, exif=exif, dpi=(300, 200), **({"lossless": True} if kind == "webp" else {})
        )
    upright = (
        np.array(ImageOps.exif_transpose(pillow_image(path)))
        if kind == "jpeg"
        else np.array(turned(image, orientation))
    )
    picture = io.read_picture(path)
    np.testing.assert_array_equal(picture.pixels >> 8 if kind == "png16" else picture.pixels, upright)
    if kind in ("png", "jpeg", "tiff"):
        assert picture.dpi == pytest.approx((200, 300) if orientation >= 5 else (300, 200), rel=1e-3)
    suffix = {"png16": ".png", "tiff": ".tif"}.get(kind, f".{kind}")
    io.write_picture(tmp_path / f"b{suffix}", picture)
    assert pillow_image(tmp_path / f"b{suffix}").getexif().get(0x0112, 1) == 1
    again = io.read_picture(tmp_path / f"b{suffix}")
    assert again.pixels.shape == picture.pixels.shape
    if kind != "jpeg":
        same(again, picture)


def turned(image, orientation):
    image.getexif()[0x0112] = orientation
    return ImageOps.exif_transpose(image)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("way", list(itertools.permutations([".png", ".jpg", ".webp", ".tif"], 2)))
def test_metadata_travels_between_formats(tmp_path, order, way):
    exif = camera_exif(6, order)
    picture = io.Picture(random_pixels((8, 6, 3), "uint8"), None, PROFILE, exif)
    for suffix in way:  # writing resets the orientation in the block of an upright image
        io.write_picture(tmp_path / f"a{suffix}", picture)
        picture = io.read_picture(tmp_path / f"a{suffix}")
        assert picture.pixels.shape == (8, 6, 3)
    assert picture.icc_profile == PROFILE
    assert content(picture.exif)[1:] == content(exif)[1:]
    assert content(picture.exif)[0].get(0x0112, 1) == 1
    written = pillow_image(tmp_path / f"a{way[1]}").getexif()  # as Pillow reads it
    assert written[0x010F] == "Maker"
    assert written.get_ifd(0x8825)[1] == "N"


def test_a_damaged_exif_block_does_no_harm(tmp_path):
    good = camera_exif(3)
    for n in range(0, len(good), 3):
        for suffix in (".png", ".tif"):
            picture = io.Picture(random_pixels((3, 2), "uint8"), exif=good[:n])
            io.write_picture(tmp_path / f"a{suffix}", picture)
            same(io.read_picture(tmp_path / f"a{suffix}"), picture)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_chunks_of_png_are_kept(tmp_path, dtype):
    chunks = ((b"gAMA", struct.pack(">L", 45455)), (b"cHRM", bytes(range(32))), (b"sRGB", b"\0"))
    picture = io.Picture(random_pixels((3, 2, 3), dtype), png_chunks=chunks)
    io.write_picture(tmp_path / "a.png", picture)
    assert io.read_picture(tmp_path / "a.png").png_chunks == chunks


# --- PNG of all kinds, by an encoder that shares nothing with the package's ------------------------------


def naive_png(samples, depth, colour_type, *, interlaced=False, filters=range(5), extra=()):
    """Encode samples (H, W, C) one byte at a time, by the specification."""
    n_samples = samples.shape[2]
    step = max(1, n_samples * depth // 8)
    stream, cycle = b"", itertools.cycle(filters)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [
            (0, 0, 8, 8),
            (0, 4, 8, 8),
            (4, 0, 8, 4),
            (0, 2, 4, 4),
            (2, 0, 4, 2),
            (0, 1, 2, 2),
            (1, 0, 2, 1),
        ]
    for y, x, dy, dx in passes:
        part = samples[y::dy, x::dx]
        if part.size == 0:
            continue
        above = None
        for row in part:
            bits = "".join(format(int(value), f"0{depth}b") for value in row.ravel())
            bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
            line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            above = above or bytes(len(line))
            kind = next(cycle)
            out = bytearray([kind])
            for i, value in enumerate(line):
                a = line[i - step] if i >= step else 0
                b = above[i]
                c = above[i - step] if i >= step else 0
                p = a + b - c
                paeth = min((a, b, c), key=lambda candidate: abs(p - candidate))
                out.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
            stream += bytes(out)
            above = line
    header = struct.pack(">LLBBBBB", samples.shape[1], samples.shape[0], depth, colour_type, 0, 0, interlaced)
    packed = zlib.compress(stream)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", packed[:20]), (b"IDAT", packed[20:]), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        data += struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
    return data


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour_type", "n_samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("shape", [(11, 13), (1, 1), (3, 2), (9, 1)])
@pytest.mark.parametrize("depth", [8, 16])
def test_png_of_every_filter_and_layout(tmp_path, depth, shape, colour_type, n_samples, interlaced):
    samples = random_pixels((*shape, n_samples), f"uint{depth}")
    (tmp_path / "a.png").write_bytes(naive_png(samples, depth, colour_type, interlaced=interlaced))
    picture = io.read_picture(tmp_path / "a.png")
    n_colours = n_samples - (colour_type >= 4)
    same(
        picture,
        io.Picture(
            samples[..., 0] if n_colours == 1 else samples[..., :n_colours],
            samples[..., -1] if colour_type >= 4 else None,
        ),
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_gray_png_with_one_transparent_value(tmp_path, depth, interlaced):
    samples = np.random.default_rng(5).integers(0, 2**depth, (6, 9, 1))
    key = int(samples[2, 3, 0])
    data = naive_png(samples, depth, 0, interlaced=interlaced, extra=[(b"tRNS", struct.pack(">H", key))])
    (tmp_path / "a.png").write_bytes(data)
    picture = io.read_picture(tmp_path / "a.png")
    top = 65535 if depth == 16 else 255
    np.testing.assert_array_equal(picture.pixels, samples[..., 0] * (top // (2**depth - 1)))
    np.testing.assert_array_equal(picture.alpha, np.where(samples[..., 0] == key, 0, top))
    assert picture.pixels.dtype == picture.alpha.dtype == np.dtype(np.uint16 if depth == 16 else np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_png_with_one_transparent_colour(tmp_path, dtype):
    samples = random_pixels((6, 9, 3), dtype)
    samples[0, :2] = samples[3, 3]
    samples[1, 1, 0] = samples[3, 3, 0]  # one equal channel is not enough
    depth = 8 * samples.itemsize
    data = naive_png(samples, depth, 2, extra=[(b"tRNS", struct.pack(">3H", *samples[3, 3]))])
    (tmp_path / "a.png").write_bytes(data)
    picture = io.read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, samples)
    expected = np.full((6, 9), np.iinfo(dtype).max)
    expected[0, :2] = expected[3, 3] = 0
    np.testing.assert_array_equal(picture.alpha, expected)


def test_png16_stays_small_on_flat_and_smooth_images(tmp_path):
    ramp = np.add.outer(np.arange(300), 3 * np.arange(200)).astype(np.uint16)[..., None] * np.ones(
        3, np.uint16
    )
    io.write_picture(tmp_path / "a.png", ramp)
    np.testing.assert_array_equal(io.read_picture(tmp_path / "a.png").pixels, ramp)
    assert (tmp_path / "a.png").stat().st_size < ramp.nbytes / 50


def test_png16_of_several_blocks_of_rows(tmp_path):
    wide = random_pixels((9, 100_000, 3), "uint16")  # blocks hold six such rows
    wide[1:] = wide[0] + np.arange(1, 9, dtype=np.uint16)[:, None, None]
    io.write_picture(tmp_path / "a.png", wide)
    np.testing.assert_array_equal(io.read_picture(tmp_path / "a.png").pixels, wide)


def test_palettes_become_colours(tmp_path):
    image = Image.fromarray(random_pixels((6, 5, 3), "uint8")).quantize(4)
    for name in ("a.png", "a.tif"):
        image.save(tmp_path / name)
        np.testing.assert_array_equal(io.read_picture(tmp_path / name).pixels, np.array(image.convert("RGB")))
    image.save(tmp_path / "b.png", transparency=bytes([0, 99]))
    expected = np.array(pillow_image(tmp_path / "b.png").convert("RGBA"))
    back = io.read_picture(tmp_path / "b.png")
    np.testing.assert_array_equal(np.dstack([back.pixels, back.alpha]), expected)


# --- against OpenCV, Pillow and tifffile -----------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (".png", "uint8"),
        (".png", "uint16"),
        (".tif", "uint8"),
        (".tif", "uint16"),
        (".tif", "float32"),
        (".tif", "float64"),
    ],
)
def test_opencv_reads_what_is_written_and_the_reverse(tmp_path, name, dtype, n_channels):
    samples = random_pixels((14, 9, n_channels), dtype)
    alpha = samples[..., 3].copy() if n_channels == 4 else None
    path = tmp_path / f"a{name}"
    io.write_picture(path, io.Picture(samples[..., 0] if n_channels == 1 else samples[..., :3], alpha))
    order = [2, 1, 0, 3][:n_channels] if n_channels > 1 else [0]
    back = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if (name, dtype, n_channels) == (".tif", "uint8", 4):  # here OpenCV multiplies the colours by alpha
        back = np.array(pillow_image(path))[..., order]
    np.testing.assert_array_equal(back.reshape(samples.shape)[..., order], samples)

    # OpenCV writes LZW with prediction, for which tifffile needs an optional package, and does not mark the
    # fourth channel of a TIFF as alpha.
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 5] if name == ".tif" else []
    path.write_bytes(cv2.imencode(name, samples[..., order], options)[1].tobytes())
    picture = io.read_picture(path)
    parts = [picture.pixels.reshape(14, 9, -1)] + (
        [] if picture.alpha is None else [picture.alpha[..., None]]
    )
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), samples)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F"])
@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "group4", "jpeg"]
)
def test_tiff_as_pillow_writes_it(tmp_path, mode, compression):
    unusual = compression == "jpeg" and mode not in ("L", "RGB")
    if unusual or (compression == "group4" and mode != "1"):
        pytest.skip("not a combination that this compression has")
    base = random_pixels((21, 10), "uint8")
    image = {
        "1": lambda: Image.fromarray(base > 99),
        "I;16": lambda: Image.fromarray(random_pixels((21, 10), "uint16")),
        "F": lambda: Image.fromarray(random_pixels((21, 10), "float32")),
        "P": lambda: Image.fromarray(random_pixels((21, 10, 3), "uint8")).quantize(9),
        "LA": lambda: Image.merge("LA", [Image.fromarray(base), Image.fromarray(base[::-1])]),
    }.get(
        mode,
        lambda: Image.fromarray(random_pixels((21, 10, len(mode)) if mode != "L" else (21, 10), "uint8")),
    )()
    image.save(tmp_path / "a.tif", compression=compression)
    stored = pillow_image(tmp_path / "a.tif")
    expected = np.array(stored.convert({"1": "L", "P": "RGB"}[mode]) if mode in "1P" else stored)
    picture = io.read_picture(tmp_path / "a.tif")
    found = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    np.testing.assert_array_equal(found, expected, strict=True)
    assert (picture.alpha is not None) == (mode in ("LA", "RGBA"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("n_bands", [1, 3, 6])
def test_tiff_of_either_planar_configuration_tiles_and_byte_order(tmp_path, dtype, n_bands):
    pixels = random_pixels((37, 29, n_bands), dtype)
    expected = pixels[..., 0] if n_bands == 1 else pixels
    kind = "rgb" if n_bands == 3 else "minisblack"
    for planar, tile, order, big, compression in itertools.product(
        ("contig", "separate"), (None, (16, 32)), "<>", (False, True), (None, "zlib")
    ):
        stored = expected if planar == "contig" or n_bands == 1 else np.moveaxis(pixels, 2, 0)
        tifffile.imwrite(
            tmp_path / "a.tif",
            stored,
            photometric=kind,
            planarconfig=planar if n_bands > 1 else None,
            tile=tile,
            rowsperstrip=None if tile else 8,
            byteorder=order,
            bigtiff=big,
            compression=compression,
            predictor=compression is not None and dtype[0] == "u",
            metadata=None,
        )
        np.testing.assert_array_equal(io.read_picture(tmp_path / "a.tif").pixels, expected, strict=True)


def lzw(data):
    """Bytes in the LZW code of TIFF, by Pillow."""
    file = BytesIO()
    Image.frombytes("L", (len(data), 1), data).save(file, "TIFF", compression="tiff_lzw", tiffinfo={317: 1})
    file.seek(0)
    tags = tifffile.TiffFile(file).pages[0]
    return file.getvalue()[tags.dataoffsets[0] : tags.dataoffsets[0] + tags.databytecounts[0]]


def float_prediction(tile):
    """Floating-point prediction of TIFF, one row at a time."""
    rows = []
    for row in tile:
        planes = row.astype(row.dtype.newbyteorder(">")).reshape(-1, 1).view(np.uint8).T.copy().ravel()
        step = row.shape[1]
        rows.append(np.concatenate([planes[:step], planes[step:] - planes[:-step]]))
    return np.stack(rows).tobytes()


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
    ("dtype", "predictor"), [("uint16", 1), ("uint16", 2), ("float32", 3), ("float64", 3)]
)
def test_tiff_of_lzw_tiles_with_prediction(tmp_path, dtype, predictor, planar):
    pixels = random_pixels((32, 48, 3), dtype)
    planes = [pixels] if planar == "contig" else [pixels[..., i : i + 1] for i in range(3)]
    tiles = [plane[y : y + 16, x : x + 16] for plane in planes for y in (0, 16) for x in (0, 16, 32)]
    if predictor == 2:
        tiles = [np.diff(tile, axis=1, prepend=np.zeros_like(tile[:, :1])).astype("<u2") for tile in tiles]
    packed = [
        lzw(float_prediction(tile) if predictor == 3 else np.ascontiguousarray(tile).tobytes())
        for tile in tiles
    ]
    file = BytesIO()
    tifffile.imwrite(
        file,
        iter(packed),
        shape=(32, 48, 3) if planar == "contig" else (3, 32, 48),
        dtype=dtype,
        photometric="rgb",
        planarconfig=planar,
        tile=(16, 16),
        compression="zlib",
        metadata=None,
    )
    # tifffile writes encoded tiles unchanged; declared as Deflate, they need no LZW coder.
    (tmp_path / "a.tif").write_bytes(with_entries(file.getvalue(), {259: [5], 317: [predictor]}))
    np.testing.assert_array_equal(io.read_picture(tmp_path / "a.tif").pixels, pixels, strict=True)


def test_tiff_with_white_as_zero_and_with_premultiplied_alpha(tmp_path):
    gray = random_pixels((6, 5), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", ~gray, photometric="miniswhite")
    np.testing.assert_array_equal(io.read_picture(tmp_path / "a.tif").pixels, gray)

    colours, alpha = random_pixels((6, 5, 3), "uint8"), random_pixels((6, 5), "uint8")
    alpha[0] = 0
    product = np.rint(colours * (alpha / 255)[..., None]).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "b.tif", np.dstack([product, alpha]), photometric="rgb", extrasamples=["assocalpha"]
    )
    back = io.read_picture(tmp_path / "b.tif")
    np.testing.assert_array_equal(back.alpha, alpha)
    np.testing.assert_array_equal(np.rint(back.pixels * (alpha / 255)[..., None]), product)  # lossless


def test_unspecified_samples_are_bands_and_alpha_may_follow_them(tmp_path):
    bands = random_pixels((6, 5, 5), "uint16")
    extra = ["unspecified", "unassalpha"]
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb", planarconfig="contig", extrasamples=extra)
    back = io.read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.pixels, bands[..., :4])
    np.testing.assert_array_equal(back.alpha, bands[..., 4])
