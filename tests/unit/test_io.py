"""Paths, unsupported and damaged files: reading gives a Picture or a helpful FileError."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jumpset import io
from jumpset._core.errors import FileError, InputError

RNG = np.random.default_rng(3)
GRAY = RNG.integers(0, 256, (11, 13), dtype=np.uint8)
RGB = RNG.integers(0, 256, (11, 13, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (11, 13, 3), dtype=np.uint16)
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".npy")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- Picture ---------------------------------------------------------------------------------------------


def test_with_pixels_keeps_the_metadata():
    picture = io.Picture(RGB, GRAY, b"profile", b"II*\0exif", "png", (72.0, 72.0), ((b"gAMA", b"1234"),))
    changed = picture.with_pixels(RGB16)
    assert changed.alpha.dtype == np.uint16
    np.testing.assert_array_equal(changed.alpha, GRAY.astype(np.uint16) * 257)
    assert (changed.icc_profile, changed.exif, changed.dpi) == (b"profile", b"II*\0exif", (72.0, 72.0))
    assert picture.pixels is RGB
    assert picture.with_pixels(GRAY).icc_profile is None  # a profile of RGB does not describe gray


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "int32", "uint64", "int64", "float32", "float64"]
)
def test_transparent_and_opaque_alpha_survive_every_dtype(dtype):
    ends = io.Picture(np.zeros((1, 2), np.uint8), np.array([[0, 255]], np.uint8))
    alpha = ends.with_pixels(np.zeros((1, 2), dtype)).alpha
    assert alpha.dtype == dtype
    assert alpha.tolist() == [[0, np.iinfo(dtype).max if dtype[0] in "ui" else 1]]
    np.testing.assert_array_equal(
        io.Picture(np.zeros((1, 2), dtype), alpha).with_pixels(GRAY[:1, :2]).alpha, [[0, 255]]
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: io.Picture([[1]]),
        lambda: io.Picture(np.zeros(3)),
        lambda: io.Picture(np.zeros((1, 2, 3, 4))),
        lambda: io.Picture(GRAY, GRAY[1:]),
        lambda: io.Picture(GRAY, GRAY.astype(np.uint16)),
        lambda: io.Picture(GRAY).with_pixels(GRAY[1:]),
        lambda: io.Picture(GRAY).with_pixels(GRAY[0]),
    ],
)
def test_mismatched_pixels_and_alpha_are_refused(make):
    with pytest.raises(InputError):
        make()


# --- atomic writes ---------------------------------------------------------------------------------------


def test_atomic_write_replaces_on_success_only(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for failure, raised in ((ValueError,) * 2, (KeyboardInterrupt,) * 2, (OSError, FileError)):
        with pytest.raises(raised), io.atomic_write(path) as temporary:  # noqa: PT012  (the block is tested)
            assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
            temporary.write_text("half")
            raise failure
        assert path.read_text() == "old"
        assert names_in(tmp_path) == ["a.txt"]
    with io.atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["a.txt"]
    for nowhere in (tmp_path / "missing" / "a.txt", path / "a.txt"):
        with pytest.raises(FileError), io.atomic_write(nowhere):
            pytest.fail("the block must not be entered")


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_are_those_of_the_old_file_or_the_umask(tmp_path):
    path = tmp_path / "a.npy"
    before = os.umask(0o027)
    try:
        io.write_picture(path, GRAY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    io.write_picture(path, GRAY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_a_link_is_kept_and_its_target_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.png", tmp_path / "link.png"
    link.symlink_to(target)
    for pixels in (GRAY, RGB):  # first the link dangles, then the target exists
        io.write_picture(link, pixels)
        assert link.is_symlink()
        np.testing.assert_array_equal(io.read_picture(target).pixels, pixels)
    assert names_in(tmp_path / "real") == ["a.png"]
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    for call in (io.read_picture, io.check_writable, lambda path: io.write_picture(path, GRAY)):
        with pytest.raises(FileError):
            call(loop)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"a{suffix}"
    io.write_picture(path, GRAY)
    before = path.read_bytes()

    def full_disk(file_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(FileError, match="No space left"):
        io.write_picture(path, RGB)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == [path.name]


def test_check_writable_names_each_fault_and_creates_nothing(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    faults = {
        "a.gif": "suffix",
        "a": "suffix",
        "folder.png": "folder",
        "missing/a.png": "does not exist",
        "file/a.png": "is a file",
        "x" * 300 + ".png": "could not be written",
    }
    for name, what in faults.items():
        with pytest.raises(FileError, match=what):
            io.check_writable(tmp_path / name)
        with pytest.raises(FileError, match=what):
            io.write_picture(tmp_path / name, GRAY)
    io.check_writable(tmp_path / "A.PNG")
    io.check_writable(str(tmp_path / "a.jpeg"))
    assert names_in(tmp_path) == ["file", "folder.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_write_protection_is_respected(tmp_path):
    path = tmp_path / "a.png"
    io.write_picture(path, GRAY)
    path.chmod(0o444)
    with pytest.raises(FileError, match="write-protected"):
        io.check_writable(path)
    path.chmod(0o000)
    with pytest.raises(FileError, match="may not be read"):
        io.read_picture(path)
    tmp_path.chmod(0o555)
    with pytest.raises(FileError, match="not writable"):
        io.check_writable(tmp_path / "b.png")
    tmp_path.chmod(0o755)


# --- what formats can hold -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "picture", "hint"),
    [
        ("a.jpg", RGB16, "PNG, TIFF or .npy"),
        ("a.webp", RGB16, "PNG, TIFF or .npy"),
        ("a.png", RGB.astype(np.float32), "TIFF or .npy"),
        ("a.jpg", RGB.astype(np.float64), "TIFF or .npy"),
        ("a.png", RGB.astype(np.int64), "TIFF or .npy"),
        ("a.jpg", io.Picture(RGB, GRAY), "PNG, WebP or TIFF"),
        ("a.npy", io.Picture(RGB, GRAY), "PNG, WebP or TIFF"),
        ("a.png", np.zeros((4, 4, 5), np.uint8), "TIFF or .npy"),
        ("a.png", np.zeros((4, 4, 4), np.uint8), r"alpha=pixels\[\.\.\., -1\]"),
        ("a.webp", np.zeros((1, 16384), np.uint8), "PNG or TIFF"),
        ("a.jpg", np.zeros((65501, 1), np.uint8), "PNG or TIFF"),
        ("a.jpg", io.Picture(RGB, exif=b"II*\0" + bytes(70000)), "EXIF"),
        ("a.tif", np.full((2, 2), np.nan), "non-finite"),
        ("a.npy", np.full((2, 2), np.inf, np.float32), "non-finite"),
    ],
)
def test_images_that_a_format_cannot_hold_are_refused_before_any_work(tmp_path, name, picture, hint):
    for call in (io.check_can_hold, io.write_picture):
        with pytest.raises(FileError, match=hint):
            call(tmp_path / name, picture)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "picture",
    [np.zeros((0, 3)), np.zeros((2, 2), complex), np.zeros((2, 2), object), [[1]], None, np.zeros(4)],
)
def test_arguments_that_are_no_images_are_refused(tmp_path, picture):
    with pytest.raises(InputError):
        io.check_can_hold(tmp_path / "a.npy", picture)


@pytest.mark.parametrize("quality", [0, 101, 50.0, True, "high"])
def test_quality_is_checked(tmp_path, quality):
    with pytest.raises(InputError, match="quality"):
        io.write_picture(tmp_path / "a.jpg", GRAY, quality=quality)


def test_lower_quality_gives_a_smaller_file(tmp_path):
    sizes = []
    for quality in (10, 95):
        io.write_picture(tmp_path / "a.jpg", RGB, quality=quality)
        sizes.append((tmp_path / "a.jpg").stat().st_size)
    assert sizes[0] < sizes[1]


# --- files that cannot be read ---------------------------------------------------------------------------


def test_paths_without_an_image(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    for name, what in {
        "none.png": "does not exist",
        "": "folder",
        "empty.png": "empty",
        "text.png": "not an image",
        "x" * 300: "cannot be opened",
        "empty.png/a.png": "cannot be opened",
    }.items():
        with pytest.raises(FileError, match=what) as caught:
            io.read_picture(tmp_path / name)
        assert caught.value.do
    for path in ("", "a\0b"):
        with pytest.raises(FileError):
            io.read_picture(path)
    for path in (None, 3, b"a.png"):
        with pytest.raises(InputError):
            io.read_picture(path)
    for max_pixels in (0, -1, 1.5, True, None):
        with pytest.raises(InputError, match="max_pixels"):
            io.read_picture(tmp_path / "none.png", max_pixels=max_pixels)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for call in (io.read_picture, io.check_writable):
        with pytest.raises(FileError, match="regular file"):
            call(tmp_path / "pipe.png")


def test_arrays_that_are_no_images(tmp_path):
    path = tmp_path / "a.npy"
    cases = [
        (np.zeros((0, 3)), "without pixels"),
        (np.zeros((3, 3, 0)), "without pixels"),
        (np.zeros(3), "single image"),
        (np.zeros((2, 3, 4, 3)), "single image"),
        (np.zeros((2, 2), complex), "dtype complex"),
        (np.array([["a", "b"]]), "dtype"),
        (np.zeros((2, 2), "datetime64[s]"), "dtype"),
        (np.zeros((2, 2), [("a", "f4")]), "dtype"),
        (np.array([[0.0, np.nan], [np.inf, 1.0]]), "2 of 4 values"),
    ]
    for array, what in cases:
        np.save(path, array)
        with pytest.raises(FileError, match=what):
            io.read_picture(path)
    np.save(path, np.array([[None]], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="dtype object"):
        io.read_picture(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_too_many_pixels_are_refused_by_the_header(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    io.write_picture(path, RGB)
    with pytest.raises(FileError, match="143 pixels; at most 142"):
        io.read_picture(path, max_pixels=142)
    assert io.read_picture(path, max_pixels=143).pixels.shape == RGB.shape


def test_a_decompression_bomb_is_refused_undecoded_and_a_large_image_is_not(tmp_path):
    # 100 MB of gray in a few kilobytes; Pillow's own warning starts at 89 million pixels
    path = tmp_path / "bomb.png"
    Image.new("1", (10_000, 10_000)).save(path)
    with pytest.raises(FileError, match="at most"):
        io.read_picture(path, max_pixels=10**7)
    assert io.read_picture(path).pixels.shape == (10_000, 10_000)
    header = bytearray(path.read_bytes())
    header[16:24] = b"\x7f\xff\xff\xff" * 2
    path.write_bytes(header)
    with pytest.raises(FileError, match="at most"):
        io.read_picture(path)


def test_several_images_in_one_file_are_refused(tmp_path):
    import tifffile

    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    for name in ("a.png", "a.webp", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 8, 9), np.uint16))
    tifffile.imwrite(tmp_path / "hyper.tif", np.zeros((5, 8, 9), np.uint16), imagej=True)
    tifffile.imwrite(
        tmp_path / "volume.tif", np.zeros((16, 16, 16), np.uint8), volumetric=True, tile=(16, 16, 16)
    )
    for path in tmp_path.iterdir():
        with pytest.raises(FileError, match="several images"):
            io.read_picture(path)


def test_a_thumbnail_page_does_not_count(tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(RGB, photometric="rgb")
    np.testing.assert_array_equal(io.read_picture(tmp_path / "a.tif").pixels, RGB)


def test_cmyk_is_refused(tmp_path):
    cmyk = Image.fromarray(RGB).convert("CMYK")
    for name in ("a.jpg", "a.tif"):
        cmyk.save(tmp_path / name)
        with pytest.raises(FileError, match="convert it to RGB"):
            io.read_picture(tmp_path / name)


# --- damage ----------------------------------------------------------------------------------------------


def _samples():
    """Small images of each kind, with their file names."""
    yield "gray8.png", GRAY
    yield "rgb16.png", io.Picture(RGB16, RGB16[..., 0].copy(), b"p" * 50, b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    yield "rgb.jpg", RGB
    yield "rgb.webp", io.Picture(RGB, GRAY)
    yield "rgb16.tif", io.Picture(RGB16, None, b"p" * 50)
    yield "float.tif", RGB.astype(np.float32)
    yield "float.npy", RGB.astype(np.float64)


def _other_samples(folder):
    """Write files of kinds that the package reads but does not write."""
    Image.fromarray(RGB).quantize(7).save(folder / "palette.png", transparency=1)
    Image.fromarray(RGB).save(folder / "progressive.jpg", progressive=True, quality=90)
    Image.fromarray(RGB).save(folder / "lossy.webp", quality=80)
    Image.fromarray(RGB).save(folder / "lzw.tif", compression="tiff_lzw")
    Image.fromarray(RGB).save(folder / "plain.tif")
    Image.fromarray(GRAY > 99).save(folder / "fax.tif", compression="group4")


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for name, picture in _samples():
        io.write_picture(folder / name, picture)
    _other_samples(folder)
    return sorted(folder.iterdir())


KINDS = 13


@pytest.mark.parametrize("which", range(KINDS))
def test_a_truncated_file_is_refused_or_complete(tmp_path, whole_files, which):
    # Never an image with gray or black instead of the lost part.
    assert len(whole_files) == KINDS
    whole = io.read_picture(whole_files[which])
    data = whole_files[which].read_bytes()
    path = tmp_path / "cut"
    n_refused = 0
    for length in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        try:
            picture = io.read_picture(path)
        except FileError:
            n_refused += 1
        else:
            np.testing.assert_array_equal(picture.pixels, whole.pixels)
    assert n_refused >= 45


@pytest.mark.parametrize("which", range(KINDS))
def test_flipped_bytes_raise_only_file_errors(tmp_path, whole_files, which):
    data = whole_files[which].read_bytes()
    dice = random.Random(which)
    path = tmp_path / "flipped"
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(dice.choice((1, 1, 3))):
            end = min(len(data), 200)  # headers are at both ends
            at = dice.choice(
                (dice.randrange(len(data)), dice.randrange(end), len(data) - 1 - dice.randrange(end))
            )
            damaged[at] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            picture = io.read_picture(path, max_pixels=10**6)
        except FileError:
            continue
        assert picture.pixels.size > 0


def test_importing_the_package_imports_no_image_library():
    code = "import sys, jumpset.io; print(sorted({'PIL', 'tifffile', 'imageio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
