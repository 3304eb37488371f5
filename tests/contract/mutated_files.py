"""Change bytes of sound files at random and read them; `test_parsers.py` runs this in a process of its own.

``python mutated_files.py SEED COPIES``: of every kind, so many changed files. Each must be read as a file of its kind,
or raise ``InputError``, within seconds and a bounded memory. A line names each file before it is read, so that the
last line tells which one has ended the process.
"""

import json
import random
import resource
import signal
import struct
import sys
import tempfile
import warnings
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

import jumpset as js
from jumpset.cli._bench_files import read_records
from jumpset.learned.architectures import NETWORKS
from jumpset.learned.weights import load_network

MAX_PIXELS = 100_000
SECONDS = 20
MEMORY = 1 << 30  # beside what the process had before
COLOR = np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)


def read_image(path):
    picture = js.io.read_picture(path, max_pixels=MAX_PIXELS)
    pixels = np.asarray(picture.pixels)
    assert pixels.ndim in (2, 3), pixels.shape
    assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS, pixels.shape


def read_checkpoint(name, path):
    result = js.run(COLOR, js.method(name), max_steps=4, checkpoint=path)
    assert result.image.shape == COLOR.shape
    assert result.image.dtype == COLOR.dtype


def read_tree(path):
    # arrays that fit together may hold other numbers, and a cut of them is an image
    js.RegionTree.load(path).smooth(n_regions=3)


def sound_files(folder):
    """Kind to (file, reader)."""
    image, deep = Image.fromarray(COLOR), COLOR.astype(np.uint16) * 257
    for kind, options in {
        "png": {},
        "jpeg": {"quality": 90},
        "webp": {},
        "gif": {},
        "bmp": {},
        "ppm": {},
    }.items():
        image.save(folder / f"a.{kind}", **options)
        yield kind, folder / f"a.{kind}", read_image
    image.convert("P").save(folder / "palette.png")
    yield "palette png", folder / "palette.png", read_image
    js.io.write_picture(folder / "deep.png", js.io.Picture(deep, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0"))
    yield "deep png", folder / "deep.png", read_image
    np.save(folder / "a.npy", deep)
    yield "npy", folder / "a.npy", read_image
    for compression in (None, "zlib"):
        path = folder / f"{compression}.tif"
        tifffile.imwrite(path, deep, compression=compression, rowsperstrip=5, photometric="rgb")
        yield f"tiff {compression}", path, read_image
    image.convert("L").quantize(4).save(folder / "lzw.tif", compression="tiff_lzw")
    yield "palette tiff", folder / "lzw.tif", read_image
    js.RegionTree(COLOR).save(folder / "a.npz")
    yield "tree", folder / "a.npz", read_tree
    for name in ("region-fusion", "tv", "potts", "potts-descent"):
        js.run(COLOR, js.method(name), max_steps=2, checkpoint=folder / name)
        yield f"checkpoint {name}", folder / name, partial(read_checkpoint, name)
    path = folder / "a.safetensors"
    path.write_bytes((Path(js.__file__).parent / "learned" / "shipped" / "vdcnn.safetensors").read_bytes())
    yield "weights", path, lambda path: load_network(NETWORKS["vdcnn"], path)
    record = {"image": "a", "method": "tv", "status": "", "settings": {"weight": 0.1}, "psnr": 30.0}
    (folder / "a.json").write_text(json.dumps([record] * 3))
    yield "records", folder / "a.json", lambda path: read_records(path, [])
    (folder / "a.jsonl").write_text("\n".join([json.dumps(record)] * 3))
    yield "lines of records", folder / "a.jsonl", lambda path: read_records(path, [])


def mutate(data, chance):
    """Return changed bytes: mostly near the beginning, where formats keep their sizes."""
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        at = min(int(chance.random() ** chance.choice([1, 4]) * len(data)), len(data) - 1)
        match chance.randrange(7):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice([0, 1, 127, 128, 255])
            case 2:
                data[at : at + 4] = struct.pack(
                    chance.choice("<>") + "I", chance.choice([0, 1, 65536, 2**31, 2**32 - 1])
                )
            case 3:
                del data[at : at + chance.choice([1, 2, 4, 100])]
            case 4:
                data[at:at] = chance.randbytes(chance.choice([1, 2, 4, 100]))
            case 5:
                start = chance.randrange(len(data))
                data[at:at] = data[start : start + 64]
            case 6:
                del data[max(at, 8) :]
        if not data:
            return b"\0"
    return bytes(data)


def with_checksums(data):
    """Repair the checksums of the chunks of a PNG, so that what is behind them is read."""
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        if at + 12 + length > len(data):
            break
        struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(data)


def out_of_time(*_):
    raise TimeoutError(f"more than {SECONDS} s")


def main(seed, copies):
    signal.signal(signal.SIGALRM, out_of_time)
    warnings.simplefilter("ignore")
    refused = read = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = list(sound_files(folder))
        for _, path, reader in kinds:  # loads libraries and compiles kernels
            reader(path)
        now = 1024 * int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
        for kind, path, reader in kinds:
            data, refused_before = path.read_bytes(), refused
            for k in range(copies):
                sys.stdout.write(f"{kind} {seed} {k}\n")
                sys.stdout.flush()
                chance = random.Random(f"{kind} {seed} {k}")
                changed = mutate(data, chance)
                if "png" in kind and chance.random() < 0.7:
                    changed = with_checksums(changed)
                path.write_bytes(changed)
                signal.alarm(SECONDS)
                try:
                    reader(path)
                    read += 1
                except js.InputError as error:
                    if isinstance(error.__cause__, MemoryError):
                        raise
                    refused += 1
                signal.alarm(0)
            assert refused > refused_before, f"no changed file of the kind {kind} was refused"
    sys.stdout.write(f"{read} read, {refused} refused\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
