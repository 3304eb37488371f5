"""What the app holds: the images that are open, their trees, and the runs of methods on them."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jumpset import datasets, io
from jumpset._core import checks
from jumpset._core.errors import FileError, InputError, JumpsetError
from jumpset._core.files import can_be_written
from jumpset._core.types import Status
from jumpset.datasets.folders import EXTENSIONS
from jumpset.io import Picture
from jumpset.io.display import display_for
from jumpset.jpeg.tables import JPEGTables
from jumpset.regions import RegionTree
from jumpset.running import registry
from jumpset.running.run import Result, Step, run

MOST_PIXELS = 64_000_000
MOST_IMAGES = 16  # open at once; the one that was used least recently is closed
SUFFIXES = EXTENSIONS | {".npy"}
SHIPPED = {"coffee": datasets.coffee}


@dataclass(eq=False)
class Opened:
    """An image that is open; its tree is built when it is first asked for."""

    key: str
    name: str
    picture: Picture
    tables: JPEGTables | None = None
    """The quantization tables, where the image comes from a JPEG file."""
    shipped: str = ""
    """The name of the image, where it ships with the package."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tree: RegionTree | None = None
    progress: float = 0.0
    """Fraction of the tree's merges that are done."""

    def tree(self) -> RegionTree:
        """Return the tree of all partitions; one thread builds it, others wait."""
        with self._lock:
            if self._tree is None:

                def watch(done: float) -> None:
                    self.progress = done

                self._tree = RegionTree(self.picture.pixels, alpha=False, progress=watch)
                self.progress = 1.0
            return self._tree


@dataclass(eq=False)
class Run:
    """A method at work on an image, in a thread."""

    key: str
    opened: Opened
    method: Any
    state: str = "waiting"
    """``waiting``, ``running``, ``done``, ``failed``."""
    error: str = ""
    n_steps: int = 0
    max_steps: int = 0
    elapsed: float = 0.0
    image: np.ndarray | None = None
    """The answer so far."""
    version: int = 0
    """Grows with each new image."""
    status: Status | None = None
    _stop: bool = False

    def stop(self) -> None:
        """End the run after the present step; its image so far is kept."""
        self._stop = True

    def work(self) -> None:
        """Run the method; a failure is kept as a sentence."""
        if self._stop:
            self.state = "failed"
            self.error = "stopped before it began"
            return
        self.state = "running"
        shown = 0.0

        def watch(step: Step) -> None:
            nonlocal shown
            self.elapsed = step.elapsed
            if step.n_steps and time.monotonic() - shown > 0.5:
                self.image, shown = step.image, time.monotonic()
                self.version += 1

        def progress(n_steps: int, max_steps: int) -> None:
            self.n_steps, self.max_steps = n_steps, max_steps

        try:
            result: Result = run(
                self.opened.picture.pixels,
                self.method,
                callback=watch,
                stop=lambda _: self._stop,
                progress=progress,
                alpha=False,
            )
        except JumpsetError as error:
            self.state, self.error = "failed", str(error)
        except MemoryError:
            self.state, self.error = "failed", "not enough memory for this method and image"
        except Exception as error:  # one failed run must not end the app
            self.state, self.error = "failed", f"{type(error).__name__}: {error}"
        else:
            self.image, self.status, self.elapsed = result.image, result.status, result.elapsed
            self.n_steps, self.version, self.state = result.n_steps, self.version + 1, "done"


@dataclass(eq=False)
class FolderRun:
    """The same cut or method on every image of a folder; one that fails costs no other."""

    files: list[Path]
    target: Path
    """The new folder that the answers are written to."""
    smooth: Callable[[Path, Picture], np.ndarray]
    done: int = 0
    failed: list[str] = field(default_factory=list)
    ended: bool = False
    _stop: bool = False

    def stop(self) -> None:
        """End after the present image."""
        self._stop = True

    def work(self) -> None:
        """Write the answers one after the other."""
        try:
            self.target.mkdir()
            self._write_all()
        except OSError as error:
            self.failed.append(f"{self.target}: {error.strerror}")
        finally:
            self.ended = True

    def _write_all(self) -> None:
        for file in self.files:
            if self._stop:
                return
            try:
                picture = io.read_picture(file, max_pixels=MOST_PIXELS)
                name = file.name if can_be_written(file) else f"{file.stem}.png"
                io.write_picture(self.target / name, picture.with_pixels(self.smooth(file, picture)))
            except (JumpsetError, MemoryError) as error:
                self.failed.append(f"{file.name}: {error}")
            self.done += 1


class Workspace:
    """All that is open. Its methods may be called from several threads.

    Parameters
    ----------
    folder
        The folder whose images can be opened by name, and in which outputs of a whole folder are written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder.resolve()
        self._images: OrderedDict[str, Opened] = OrderedDict()
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()
        self._count = 0
        self._folder_run: FolderRun | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="jumpset-app")

    def files(self) -> list[str]:
        """Return the names of the images in the folder, without its subfolders."""
        if self.folder is None:
            return []
        return sorted(f.name for f in self.folder.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())

    def open_bytes(self, name: str, data: bytes) -> Opened:
        """Open an image that was dropped on the page; ``name`` is only shown."""
        with tempfile.TemporaryDirectory(prefix="jumpset-") as folder:
            path = Path(folder) / "image"
            path.write_bytes(data)
            try:
                return self._add(name, path)
            except FileError as error:
                given = str(error.given).replace(str(path), name)
                raise FileError(error.what, given=given, do=error.do) from None

    def path_of(self, name: str) -> Path:
        """Return the path of an image of the folder; only names that :meth:`files` lists have one."""
        if self.folder is None or name not in self.files():
            raise FileError("no such image in the folder", given=name, do="choose one of the list")
        return self.folder / name

    def open_file(self, name: str) -> Opened:
        """Open an image of the folder."""
        return self._add(name, self.path_of(name))

    def open_shipped(self, name: str) -> Opened:
        """Open an image that ships with the package."""
        if name not in SHIPPED:
            raise InputError("no such image", given=name, do=f"choose one of: {', '.join(SHIPPED)}")
        return self._keep(Opened(self._key("i"), f"{name}.png", Picture(SHIPPED[name]()), shipped=name))

    def opened(self, key: str) -> Opened:
        """Return an open image."""
        with self._lock:
            if key not in self._images:
                raise InputError("the image is not open any more", given=key, do="open it again")
            self._images.move_to_end(key)
            return self._images[key]

    def start(self, key: str, name: str, settings: dict[str, Any]) -> Run:
        """Start a method on an open image; raise before that if a setting is wrong."""
        opened = self.opened(key)
        method = registry.with_tables(registry.method(name, **settings), opened.tables)
        one = Run(self._key("r"), opened, method)
        with self._lock:
            self._runs[one.key] = one
            while len(self._runs) > 4 * MOST_IMAGES:
                self._runs.popitem(last=False)[1].stop()
        self._pool.submit(one.work)
        return one

    def start_folder(self, source: dict[str, Any]) -> FolderRun:
        """Start what ``source`` says, a cut or a method, on all images of the folder."""
        if self.folder is None:
            raise InputError("no folder is open", given="an image", do="start the app with a folder")
        smooth = _smoother(source)
        taken = [self.folder / name for name in ("smoothed", *(f"smoothed-{k}" for k in range(2, 1000)))]
        target = next(path for path in taken if not path.exists())
        one = FolderRun([self.folder / name for name in self.files()], target, smooth)
        with self._lock:
            self._folder_run, before = one, self._folder_run
        if before is not None:
            before.stop()
        self._pool.submit(one.work)
        return one

    def folder_run(self) -> FolderRun:
        """Return the latest run over the folder."""
        if self._folder_run is None:
            raise InputError("the folder was not run", given="nothing", do="start it first")
        return self._folder_run

    def run(self, key: str) -> Run:
        """Return a run."""
        with self._lock:
            if key not in self._runs:
                raise InputError("no such run", given=key, do="start it again")
            return self._runs[key]

    def close(self) -> None:
        """Stop all runs."""
        with self._lock:
            for one in (*self._runs.values(), *filter(None, [self._folder_run])):
                one.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _key(self, kind: str) -> str:
        with self._lock:
            self._count += 1
            return f"{kind}{self._count}"

    def _add(self, name: str, path: Path) -> Opened:
        picture = io.read_picture(path, max_pixels=MOST_PIXELS)
        return self._keep(Opened(self._key("i"), name, picture, registry.tables_of(path)))

    def _keep(self, opened: Opened) -> Opened:
        with self._lock:
            self._images[opened.key] = opened
            while len(self._images) > MOST_IMAGES:
                self._images.popitem(last=False)
        return opened


def _smoother(source: dict[str, Any]) -> Callable[[Path, Picture], np.ndarray]:
    """Return what ``source`` says, a cut or a method, as a function of a file and its image."""
    if "n_regions" not in source:
        method = registry.method(str(source.get("method")), **source.get("settings", {}))
        return lambda file, picture: run(picture.pixels, registry.for_file(method, file), alpha=False).image
    n = source["n_regions"]
    checks.integer("n_regions", n, at_least=1)

    def cut(_: Path, picture: Picture) -> np.ndarray:
        height, width = picture.pixels.shape[:2]
        return RegionTree(picture.pixels, alpha=False).smooth(n_regions=min(n, height * width))

    return cut


def thumbnail(path: Path, height: int = 96) -> bytes:
    """Return a small PNG of an image file."""
    picture = io.read_picture(path, max_pixels=MOST_PIXELS)
    step = max(1, picture.pixels.shape[0] // height)
    levels = display_for(picture.pixels).levels(picture.pixels[::step, ::step])
    return written("image.png", lambda path: io.write_picture(path, Picture(np.ascontiguousarray(levels))))


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """Return the bytes of the file that ``write`` makes under a name."""
    with tempfile.TemporaryDirectory(prefix="jumpset-") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()
