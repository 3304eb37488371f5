"""Read every file of a folder with jumpset, Pillow, tifffile and OpenCV, and print how the answers compare.

    python benchmarks/foreign_files.py DIR [--all] [--seconds 60]

The classes:

agree               another program has the same pixels
close               they differ by at most 4 levels, as decoders of lossy files do
differ              other programs read the file, and none has the same pixels
alone               only jumpset reads it
refused by both     nobody reads it
refused by us only  another program reads it
crash               an exception that is no FileError, or no end

Each file is read in a process of its own, so that a crash or a file without end costs one file.
"""

import argparse
import multiprocessing
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

CLOSE = 4


def by_jumpset(path):
    from jumpset.io import read_picture

    picture = read_picture(path)
    return picture.samples(), picture.pixels.dtype


def by_pillow(path):
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("P", "PA"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        elif image.mode == "1":
            image = image.convert("L")
        return np.array(image)


def by_tifffile(path):
    import tifffile

    return tifffile.imread(path)


def by_opencv(path):
    import cv2

    array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise ValueError("not read")
    if array.ndim == 3 and array.shape[2] >= 3:
        array = array[..., [2, 1, 0, *range(3, array.shape[2])]]
    return array


OTHERS = {"Pillow": by_pillow, "tifffile": by_tifffile, "OpenCV": by_opencv}


def distance(ours, theirs):
    """The largest difference in levels of 8 bits; None if the shapes differ, also without alpha."""
    if theirs.dtype == np.bool_:
        theirs = theirs.astype(np.uint8) * 255
    theirs = theirs.reshape(*theirs.shape[:2], -1) if theirs.ndim in (2, 3) else theirs
    for bands in {ours.shape[-1], ours.shape[-1] - 1} - {0}:
        mine = ours[..., :bands]
        same = mine.shape == theirs.shape
        if not same and bands == 1 and theirs.ndim == 3 and theirs.shape[:2] == mine.shape[:2]:
            mine, same = np.broadcast_to(mine, theirs.shape), theirs.shape[2] == 3
        if same:
            unit = 255 / np.iinfo(ours.dtype).max if ours.dtype.kind in "iu" else 255.0
            other = 255 / np.iinfo(theirs.dtype).max if theirs.dtype.kind in "iu" else 255.0
            if theirs.dtype.kind in "iu" and theirs.dtype.itemsize > ours.dtype.itemsize:
                other = unit  # Pillow's 32 bits for 16
            gap = np.abs(mine.astype(np.float64) * unit - theirs.astype(np.float64) * other)
            return float(gap.max(initial=0.0))
    return None


def classify(path, answer):
    warnings.simplefilter("ignore")
    from jumpset import FileError

    refusal = ours = None
    try:
        ours, _ = by_jumpset(path)
    except FileError as error:
        refusal = str(error)
    except BaseException as error:
        answer.send(("crash", f"{type(error).__name__}: {error}"))
        return
    read, gaps = [], {}
    for name, reader in OTHERS.items():
        try:
            array = reader(path)
        except BaseException:  # of another program
            continue
        read.append(name)
        if ours is not None:
            gaps[name] = distance(ours, array)
    if ours is None:
        answer.send(("refused by us only" if read else "refused by both", f"{refusal} [{', '.join(read)}]"))
        return
    known = [gap for gap in gaps.values() if gap is not None]
    if not read:
        kind = "alone"
    elif known and min(known) <= 1e-9:
        kind = "agree"
    else:
        kind = "close" if known and min(known) <= CLOSE else "differ"
    answer.send((kind, ", ".join(f"{k}: {'shape' if v is None else f'{v:.3g}'}" for k, v in gaps.items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="also list the files that agree")
    parser.add_argument("--seconds", type=float, default=60.0, help="after which a file counts as a crash")
    options = parser.parse_args()
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":  # loaded once, for all forked processes
        import cv2
        import tifffile  # noqa: F401
        from PIL import Image

        import jumpset.io  # noqa: F401

        cv2.setNumThreads(1)
        Image.init()
    classes = defaultdict(list)
    for path in sorted(p for p in options.folder.rglob("*") if p.is_file()):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=classify, args=(path, theirs))
        process.start()
        theirs.close()
        try:
            kind, why = ours.recv() if ours.poll(options.seconds) else ("crash", "no end")
        except EOFError:
            kind, why = "crash", "the process died"
        process.kill()
        process.join()
        classes[kind].append((path, why))
    for kind in ("agree", "close", "differ", "alone", "refused by both", "refused by us only", "crash"):
        found = classes[kind]
        print(f"{kind}: {len(found)}")
        for path, why in found if options.all or kind in ("differ", "refused by us only", "crash") else ():
            print(f"  {path.relative_to(options.folder)}: {why}".encode("utf-8", "backslashreplace").decode())
    sys.exit(1 if classes["crash"] else 0)


if __name__ == "__main__":
    main()
