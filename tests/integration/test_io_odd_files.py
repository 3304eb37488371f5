"""Sound files of unusual kinds, generated here, are read as other programs read them."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, PngImagePlugin, features

from jumpset import FileError, io
from jumpset.io import _exif

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (21, 30, 3), dtype=np.uint8)
GRAY = RGB[..., 0].copy()
DEEP = RNG.integers(0, 65536, (21, 30), dtype=np.uint16)


def tiff(entries, data, order="<", counts=None):
    """A TIFF file of one strip, or of strips of so many bytes; entries: tag to (type, values)."""
    sizes = {1: "B", 2: "s", 3: "H", 4: "L", 12: "d"}
    counts = counts or [len(data)]
    starts = [8 + sum(counts[:k]) for k in range(len(counts))]
    entries = {**entries, 273: (4, starts), 279: (4, counts)}
    at = 8 + len(data) + len(data) % 2
    table, values = struct.pack(order + "H", len(entries)), b""
    values_at = at + 2 + 12 * len(entries) + 4
    for tag, (kind, content) in sorted(entries.items()):
        packed = content if kind == 2 else struct.pack(f"{order}{len(content)}{sizes[kind]}", *content)
        table += struct.pack(order + "HHL", tag, kind, len(content))
        if len(packed) <= 4:
            table += packed.ljust(4, b"\0")
        else:
            table += struct.pack(order + "L", values_at + len(values))
            values += packed + b"\0" * (len(packed) % 2)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "L", at)
    return head + data + b"\0" * (len(data) % 2) + table + bytes(4) + values


# --- PNG -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_with_megabytes_of_profile_and_text(tmp_path, dtype):
    profile, path = RNG.bytes(2_000_000), tmp_path / "a.png"
    io.write_picture(
        path, io.Picture(RGB.astype(dtype), icc_profile=profile, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    )
    picture = io.read_picture(path)
    assert picture.icc_profile == profile
    assert picture.exif.startswith(b"II*\0")
    np.testing.assert_array_equal(picture.pixels, RGB)
    text = PngImagePlugin.PngInfo()
    for zipped in (False, True):
        text.add_text("Comment", "x" * 3_000_000, zip=zipped)
    Image.fromarray(RGB).save(path, pnginfo=text, dpi=(300, 300))
    picture = io.read_picture(path)
    np.testing.assert_array_equal(picture.pixels, RGB)
    np.testing.assert_allclose(picture.dpi, 300, atol=0.01)


def test_the_first_frame_of_an_animated_png(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path, save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    for page, says in ((None, "page, 1, or save"), (2, "choose page 1")):
        with pytest.raises(FileError, match=says):
            io.read_picture(path, page=page)
    np.testing.assert_array_equal(io.read_picture(path, page=1).pixels, RGB)


# --- TIFF ------------------------------------------------------------------------------------------------


def test_tiff_lzw_with_the_smallest_and_largest_samples(tmp_path):
    path = tmp_path / "a.tif"
    for array, n in ((GRAY, 1), (RGB, 3)):
        Image.fromarray(array).save(path, compression="tiff_lzw", tiffinfo={340: (0,) * n, 341: (255,) * n})
        np.testing.assert_array_equal(io.read_picture(path).pixels, array)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("compression", [1, 8, 32773])
def test_tiff_palettes_of_few_bits(tmp_path, bits, compression):
    index = RNG.integers(0, 2**bits, (21, 30))
    colours = RNG.integers(0, 256, (2**bits, 3))
    rows = np.zeros((21, -(-30 * bits // 8) * 8), np.uint8)
    rows[:, : 30 * bits] = ((index[..., None] >> np.arange(bits)[::-1]) & 1).reshape(21, -1)
    data = np.packbits(rows, axis=1).tobytes()
    if compression == 8:
        data = zlib.compress(data)
    elif compression == 32773:  # literal runs of PackBits
        width = rows.shape[1] // 8
        data = b"".join(bytes([width - 1]) + data[k : k + width] for k in range(0, len(data), width))
    entries = {256: (3, [30]), 257: (3, [21]), 258: (3, [bits]), 259: (3, [compression]), 262: (3, [3]), 277: (3, [1]),
               278: (3, [21]), 320: (3, (colours.T * 257).ravel().tolist())}  # fmt: skip
    (tmp_path / "a.tif").write_bytes(tiff(entries, data))
    picture = io.read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, colours[index].astype(np.uint8))


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(("bits", "channels"), [(12, 1), (12, 3), (10, 1), (14, 1), (24, 1)])
def test_tiff_of_packed_samples(tmp_path, bits, channels, compression):
    """12 bits of a camera or a microscope: scaled to the range of the dtype, as other packed samples are."""
    values = RNG.integers(0, 2**bits, (21, 31, channels))
    values[0, 0], values[0, 1] = 0, 2**bits - 1
    digits = ((values.reshape(21, -1, 1) >> np.arange(bits)[::-1]) & 1).reshape(21, -1).astype(np.uint8)
    strips = [np.packbits(digits[k : k + 8], axis=1).tobytes() for k in range(0, 21, 8)]
    strips = [zlib.compress(strip) if compression == 8 else strip for strip in strips]
    entries = {
        256: (3, [31]), 257: (3, [21]), 258: (3, [bits] * channels), 259: (3, [compression]),
        262: (3, [1 if channels == 1 else 2]), 277: (3, [channels]), 278: (3, [8]),
    }  # fmt: skip
    data = tiff(entries, b"".join(strips), counts=[len(strip) for strip in strips])
    (tmp_path / "a.tif").write_bytes(data)
    picture = io.read_picture(tmp_path / "a.tif")
    top = np.iinfo(picture.pixels.dtype).max
    expected = np.rint(values * (top / (2**bits - 1)))
    np.testing.assert_array_equal(picture.pixels.reshape(values.shape), expected)
    short = tiff(entries, b"".join(strips), counts=[len(strips[0]), len(strips[1]), len(strips[2]) // 2])
    (tmp_path / "short.tif").write_bytes(short)
    with pytest.raises(FileError, match="damaged or truncated"):
        io.read_picture(tmp_path / "short.tif")


@pytest.mark.parametrize("dtype", ["uint64", "int64", "uint32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_large_integers(tmp_path, dtype, compression):
    pixels = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (21, 30), dtype=dtype)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="minisblack",
        compression=compression,
        predictor=bool(compression) and dtype == "uint32",
    )
    np.testing.assert_array_equal(io.read_picture(tmp_path / "a.tif").pixels, pixels, strict=True)
    torch.from_numpy(
        io.read_picture(tmp_path / "a.tif").pixels
    )  # which knows one of C's two types of 64 bits


def test_tiff_that_inflates_to_gigabytes_is_refused(tmp_path):
    packer = zlib.compressobj(9)
    zeros = bytes(2**24)
    data = b"".join(packer.compress(zeros) for _ in range(40)) + packer.flush()  # 640 MB
    entries = {
        256: (3, [30]),
        257: (3, [21]),
        258: (3, [8]),
        259: (3, [8]),
        262: (3, [1]),
        277: (3, [1]),
        278: (3, [21]),
    }
    (tmp_path / "bomb.tif").write_bytes(tiff(entries, data))
    with pytest.raises(FileError, match="inflates"):
        io.read_picture(tmp_path / "bomb.tif")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits"])
def test_pages_of_a_tiff(tmp_path, compression):
    path = tmp_path / "pages.tif"
    pages = [Image.fromarray(a) for a in (GRAY, RGB, GRAY[:7])]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression=compression)
    for number, page in enumerate((GRAY, RGB, GRAY[:7]), 1):
        np.testing.assert_array_equal(io.read_picture(path, page=number).pixels, page)
    with pytest.raises(FileError, match="1 to 3"):
        io.read_picture(path)
    with pytest.raises(FileError, match="1 to 3"):
        io.read_picture(path, page=4)
    tifffile.imwrite(
        path, np.stack([DEEP, DEEP[::-1]]), photometric="minisblack"
    )  # one series of equal pages
    np.testing.assert_array_equal(io.read_picture(path, page=2).pixels, DEEP[::-1])


GEO = [
    (33550, 12, 3, (2.0, 2.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (34737, 2, 7, b"WGS 84|", True),
    (42113, 2, 6, b"-9999\0", True),
]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_place_on_the_ground_is_kept_in_tiff_and_else_said(tmp_path, order):
    path = tmp_path / "geo.tif"
    tifffile.imwrite(path, DEEP, extratags=GEO, byteorder=order, metadata=None)
    picture = io.read_picture(path).with_pixels(DEEP // 2)
    io.write_picture(tmp_path / "out.tif", picture)
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(tmp_path / "out.tif") as after:
        for code, *_ in GEO:
            assert after.pages[0].tags[code].value == before.pages[0].tags[code].value
        assert after.geotiff_metadata == before.geotiff_metadata
    with pytest.warns(io.PictureWarning, match="GeoTIFF"):
        io.write_picture(tmp_path / "out.png", picture)
    turned = [*GEO, (274, 3, 1, 6, True)]
    tifffile.imwrite(path, DEEP, extratags=turned, metadata=None)
    with pytest.warns(io.PictureWarning, match="turned upright"):
        assert io.read_picture(path).tiff_tags == ()


def test_a_resolution_without_a_unit_is_kept(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, imagej=True, resolution=(2.5, 2.5), metadata={"unit": "um"})
    io.write_picture(tmp_path / "b.tif", io.read_picture(tmp_path / "a.tif").with_pixels(DEEP[::-1].copy()))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        assert [tags[282].value, tags[283].value] == [(5, 2), (5, 2)]
        assert tags[296].value == 1
        assert "unit=um" in tags[270].value


# --- EXIF and profiles -----------------------------------------------------------------------------------


def phone_exif(orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0100], exif[0x0101] = orientation, "Maker", 30, 21
    exif[0x8769] = {0xA002: 30, 0xA003: 21}
    block = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    order = _exif.byte_order(bytes(block))
    start = struct.unpack_from(order + "L", block, 4)[0]
    link = start + 2 + 12 * struct.unpack_from(order + "H", block, start)[0]
    small = BytesIO()
    Image.fromarray(RGB[::3, ::3]).save(small, "JPEG")
    block += b"\0" * (len(block) % 2)
    struct.pack_into(order + "L", block, link, len(block))
    at = len(block) + 2 + 2 * 12 + 4
    block += struct.pack(order + "H", 2)
    for tag, value in ((0x0201, at), (0x0202, len(small.getvalue()))):
        block += struct.pack(order + "HHLL", tag, 4, 1, value)
    return bytes(block + bytes(4) + small.getvalue())


def sizes_and_thumbnail(path):
    exif = Image.open(BytesIO(path.read_bytes())).getexif()
    inner = exif.get_ifd(0x8769)
    size = exif.get(0x0100), exif.get(0x0101), inner[0xA002], inner[0xA003]
    return size, exif.get(0x0112), bool(exif.get_ifd(-1).get(0x0201))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_turned_photograph_has_its_own_sizes_and_no_old_thumbnail(tmp_path, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    Image.fromarray(RGB).save(path, exif=b"Exif\0\0" + phone_exif(6))
    assert sizes_and_thumbnail(path) == ((30, 21, 30, 21), 6, True)
    io.write_picture(out, io.read_picture(path))
    assert sizes_and_thumbnail(out) == ((21, 30, 21, 30), 1, False)
    assert b"JFIF" not in io.read_picture(out).exif
    Image.fromarray(RGB).save(path, exif=b"Exif\0\0" + phone_exif(1))
    io.write_picture(out, io.read_picture(path))
    assert sizes_and_thumbnail(out) == ((30, 21, 30, 21), 1, True)  # the same image has the same thumbnail
    io.write_picture(out, io.read_picture(path).with_pixels(RGB[::-1].copy()))
    assert sizes_and_thumbnail(out) == ((30, 21, 30, 21), 1, False)


def test_damaged_exif_blocks_pass_all_helpers():
    block = phone_exif(6)
    for k in range(0, len(block), 7):
        for damaged in (block[:k], block[:k] + b"\xff\xff\xff\xff" + block[k + 4 :]):
            _exif.without_thumbnail(damaged)
            _exif.for_image(damaged, 3, 4)
            _exif.orientation(damaged)


def test_a_gray_profile_stays_with_gray_values_only(tmp_path):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = b"GRAY"
    picture = io.Picture(GRAY, icc_profile=bytes(profile))
    io.write_picture(tmp_path / "a.png", picture)
    assert io.read_picture(tmp_path / "a.png").icc_profile == bytes(profile)
    with pytest.warns(io.PictureWarning, match="colour profile"):
        io.write_picture(tmp_path / "a.webp", picture)
    assert io.read_picture(tmp_path / "a.webp").icc_profile is None


# --- further formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "image"), [
    (".bmp", RGB), (".bmp", GRAY), (".ppm", RGB), (".pgm", GRAY), (".pgm", DEEP), (".jp2", RGB), (".jp2", GRAY),
    (".jp2", DEEP), (".ppm", np.stack([DEEP] * 3, -1)),
])  # fmt: skip
def test_lossless_formats_as_opencv_reads_them(tmp_path, suffix, image):
    if suffix == ".jp2" and not features.check("jpg_2000"):
        pytest.skip("Pillow has no JPEG 2000")
    path = tmp_path / f"a{suffix}"
    if suffix == ".jp2":
        Image.fromarray(image).save(path)  # lossless
    else:
        assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
        np.testing.assert_array_equal(
            cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1] if image.ndim == 3 else image, image
        )
    found = io.read_picture(path).pixels
    np.testing.assert_array_equal(found if found.ndim == image.ndim else found[..., 0], image)


def test_pnm_of_every_kind(tmp_path):
    path = tmp_path / "a.pnm"
    bits = (GRAY > 128).astype(np.uint8)
    text = "\n".join(" ".join(map(str, row)) for row in bits)
    path.write_text(f"P1 # black is 1\n30 # width\n21\n{text}\n")
    np.testing.assert_array_equal(io.read_picture(path).pixels, 255 * (1 - bits))
    path.write_text("P1 3 2\n010101")
    np.testing.assert_array_equal(io.read_picture(path).pixels, [[255, 0, 255], [0, 255, 0]])
    path.write_bytes(b"P4\n30 21\n" + np.packbits(bits, axis=1).tobytes())
    np.testing.assert_array_equal(io.read_picture(path).pixels, 255 * (1 - bits))
    path.write_bytes(b"P5\n30 21\n15\n" + (GRAY // 16).tobytes())
    np.testing.assert_array_equal(io.read_picture(path).pixels, GRAY // 16 * 17)
    path.write_bytes(b"P2\n30 21 1000\n" + " ".join(map(str, (DEEP % 1001).ravel())).encode())
    np.testing.assert_array_equal(
        io.read_picture(path).pixels, np.rint((DEEP % 1001) * 65.535).astype(np.uint16)
    )
    for broken in (
        b"P5\n30 21\n255\n" + bytes(5),
        b"P5\n30\n",
        b"P2 2 1 9\n1 99",
        b"P5 2 2 0\n1111",
        b"P3 2 2 9 1 2 x",
    ):
        path.write_bytes(broken)
        with pytest.raises(FileError, match="damaged"):
            io.read_picture(path)


def test_the_first_frame_of_a_gif_when_asked(tmp_path):
    path = tmp_path / "a.gif"
    frames = [Image.fromarray(np.where(GRAY > k, 255, 0).astype(np.uint8)) for k in (64, 128, 192)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    with pytest.raises(FileError, match="page"):
        io.read_picture(path)
    for number, frame in enumerate(frames, 1):
        found = io.read_picture(path, page=number).pixels
        np.testing.assert_array_equal(found[..., 0] if found.ndim == 3 else found, np.array(frame))
    frames[0].save(path)
    np.testing.assert_array_equal(
        np.squeeze(io.read_picture(path).pixels.reshape(21, 30, -1)[..., 0]), np.array(frames[0])
    )


@pytest.mark.skipif(not ("avif" in features.modules and features.check("avif")), reason="Pillow has no AVIF")
def test_avif(tmp_path):
    path, smooth = (
        tmp_path / "a.avif",
        np.stack(np.broadcast_arrays(*np.ogrid[0:60:2, 0:80:2], 9), -1).astype(np.uint8),
    )
    Image.fromarray(smooth).save(path, quality=100, subsampling="4:4:4")
    picture = io.read_picture(path)
    assert picture.format == "avif"
    assert np.abs(picture.pixels.astype(int) - smooth).max() <= 4
    np.testing.assert_array_equal(picture.pixels, np.array(Image.open(BytesIO(path.read_bytes()))))


def test_heic_needs_its_plug_in(tmp_path):
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    with pytest.raises(FileError):
        io.read_picture(path)


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow has no JPEG 2000")
def test_lost_bits_are_said(tmp_path):
    path = tmp_path / "a.jp2"
    assert cv2.imwrite(str(path), RNG.integers(0, 65536, (80, 90, 3), dtype=np.uint16))
    with pytest.warns(io.PictureWarning, match="more than 8 bits"):
        assert io.read_picture(path).pixels.shape == (80, 90, 3)


# --- a small corpus --------------------------------------------------------------------------------------


def corpus():
    """Yield names and contents of odd but sound files, and of broken ones."""
    palette = Image.fromarray(GRAY // 16).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    images = {"l": Image.fromarray(GRAY), "rgb": Image.fromarray(RGB), "p": palette, "1": Image.fromarray(GRAY > 99),
              "la": Image.fromarray(np.stack([GRAY, RGB[..., 1]], -1)), "i16": Image.fromarray(DEEP)}  # fmt: skip
    ways = [("png", {}), ("png", {"transparency": 3}), ("bmp", {}), ("gif", {}), ("webp", {"lossless": True}), ("tiff", {}),
            *(("tiff", {"compression": c}) for c in ("tiff_lzw", "packbits", "tiff_deflate", "group4", "jpeg", "tiff_adobe_deflate")),
            ("jpeg", {}), ("jpeg", {"progressive": True}), ("ppm", {}), ("jpeg2000", {})]  # fmt: skip
    for kind, image in images.items():
        for number, (name, options) in enumerate(ways):
            file = BytesIO()
            try:
                image.save(file, name, **options)
            except (OSError, ValueError, KeyError, TypeError, SystemError):
                continue  # the format has no such images
            yield f"{kind}-{number}.{name}", file.getvalue()


def test_the_corpus_is_read_as_pillow_reads_it_or_refused(tmp_path):
    read = 0
    for name, content in corpus():
        path = tmp_path / name
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                picture = io.read_picture(path)
            except FileError:
                continue
            image = Image.open(BytesIO(content))
            image.load()
        read += 1
        if image.mode in ("1", "L", "RGB", "I;16"):
            want = np.array(image.convert("L") if image.mode == "1" else image)
            found = picture.pixels
            found = found[..., 0] if found.ndim > want.ndim else found
            np.testing.assert_array_equal(found, want, err_msg=name)
        for k in range(5, len(content), max(1, len(content) // 12)):  # and cut files raise nothing else
            path.write_bytes(content[:k])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(FileError):
                    io.read_picture(path)
    assert read >= 45


@pytest.mark.slow
def test_the_script_that_tries_foreign_files(tmp_path):
    for name, content in corpus():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "no image.txt").write_text("text")
    (tmp_path / "cut.png").write_bytes((tmp_path / "rgb-0.png").read_bytes()[:99])
    script = Path(__file__).parents[2] / "benchmarks" / "foreign_files.py"
    out = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=True
    ).stdout
    counts = {
        line.partition(":")[0]: int(line.partition(":")[2]) for line in out.splitlines() if line[0] != " "
    }
    assert counts["agree"] >= 45
    assert counts["refused by both"] == 2
    assert counts["differ"] == counts["crash"] == 0
