"""Training batches, drawn or cropped from a folder: batch k depends on the seed and k alone."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from jumpset import datasets
from jumpset.datasets import Pair
from jumpset.datasets.synthesis import Kind

Batch = tuple[np.ndarray, np.ndarray]
"""Images and their ground truths, float32 ``(B, 3, S, S)`` in [0, 1]."""

_GRAY_EVERY = 8  # one example in this many is gray, with three equal channels
_CACHE_BYTES = 2**30  # decoded images in memory
_FADE = 0.0  # with fading, a network would learn to increase the contrast of every image
_PREFETCHED = 3  # batches that are prepared while one is in use


def synthetic(
    batch_size: int, size: int, *, kind: Kind, seed: int, start: int = 0, step: int = 1
) -> Iterator[Batch]:
    """Yield drawn pairs without end, some of them gray: the batches ``start, start + step, …``."""
    batches = datasets.batches(
        batch_size, size, kind=kind, channels=3, fade=_FADE, seed=seed, start=start, step=step
    )
    for k, (image, truth) in zip(count(start, step), batches, strict=False):
        gray = np.random.default_rng([3, seed, k]).random(batch_size) < 1 / _GRAY_EVERY
        yield _to_gray(image, gray), _to_gray(truth, gray)


def folder(
    pairs: list[Pair], batch_size: int, size: int, *, seed: int, start: int = 0, step: int = 1
) -> Iterator[Batch]:
    """Yield random crops of the pairs without end, the batches ``start, start + step, …``.

    Crops are rotated and mirrored, and some of them are gray. Images smaller than the crop are padded by
    their mirror images.
    """
    cache = _Cache(pairs, size)
    for k in count(start, step):
        rng = np.random.default_rng([4, seed, k])
        gray = rng.random(batch_size) < 1 / _GRAY_EVERY
        crops = [_crop(rng, *cache.load(int(i)), size) for i in rng.integers(len(pairs), size=batch_size)]
        image, truth = (np.stack([crop[side] for crop in crops]) for side in (0, 1))
        yield _to_gray(image, gray), _to_gray(truth, gray)


def drawn_validation(n: int, size: int, *, kind: Kind, seed: int) -> Batch:
    """Draw ``n`` validation pairs, each of another scene."""
    made = [datasets.synthetic(size, size, kind=kind, fade=_FADE, seed=seed + k) for k in range(n)]
    image, truth = (np.stack([pair[side].transpose(2, 0, 1) for pair in made]) for side in (0, 1))
    return image, truth


def centre_crops(pairs: list[Pair], size: int) -> Batch:
    """Crop the centre of each pair for the validation."""
    cache, crops = _Cache(pairs, size), []
    for k in range(len(pairs)):
        pair = cache.load(k)
        top, left = ((side - size) // 2 for side in pair[0].shape[:2])
        crops.append([_to_unit(a[top : top + size, left : left + size]) for a in pair])
    image, truth = (np.stack([pair[side] for pair in crops]) for side in (0, 1))
    return image, truth


@contextmanager
def prefetch(make: Callable[..., Iterator[Batch]], start: int, workers: int) -> Iterator[Iterator[Any]]:
    """Yield the batches of ``make(start=…, step=…)`` from ``start`` on, prepared in the background.

    A thread prepares them, or ``workers`` processes, each of which makes every ``workers``-th batch; the
    batches and their order are the same.
    """
    if workers:
        loader = DataLoader(
            _WorkerBatches(make, start),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn",  # a forked process with threads may deadlock
            worker_init_fn=_ignore_interrupts,
        )
        yield iter(loader)
        return
    pool = ThreadPoolExecutor(1, thread_name_prefix="jumpset-batches")
    try:
        yield _from_thread(pool, make(start=start, step=1))
    finally:
        pool.shutdown(cancel_futures=True)


def _from_thread(pool: ThreadPoolExecutor, batches: Iterator[Batch]) -> Iterator[Batch]:
    waiting = deque(pool.submit(next, batches) for _ in range(_PREFETCHED))
    while True:
        yield waiting.popleft().result()
        waiting.append(pool.submit(next, batches))


class _WorkerBatches(IterableDataset):
    """The batches of one of several processes."""

    def __init__(self, make: Callable[..., Iterator[Batch]], start: int) -> None:
        self._make, self._start = make, start

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        assert worker is not None
        return self._make(start=self._start + worker.id, step=worker.num_workers)


def _ignore_interrupts(_worker: int) -> None:
    """Ignore Ctrl-C, which reaches all processes: the main one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Cache:
    """Pairs as uint8 arrays (H, W, 3) of at least the crop's size, cached up to a limit of memory."""

    def __init__(self, pairs: list[Pair], size: int) -> None:
        self._pairs, self._size = pairs, size
        self._held: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._bytes = 0

    def load(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        if k in self._held:
            return self._held[k]
        image, truth = (self._fit(a) for a in self._pairs[k].load())
        if self._bytes + 2 * image.nbytes <= _CACHE_BYTES:
            self._held[k] = image, truth
            self._bytes += 2 * image.nbytes
        return image, truth

    def _fit(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=-1)
        lacking = [max(0, self._size - side) for side in pixels.shape[:2]]
        return np.pad(pixels, [*((n // 2, n - n // 2) for n in lacking), (0, 0)], mode="symmetric")


def _crop(rng: np.random.Generator, image: np.ndarray, truth: np.ndarray, size: int) -> Batch:
    """The same random window of both, rotated by a multiple of 90 degrees, perhaps mirrored."""
    top, left = (int(rng.integers(side - size + 1)) for side in image.shape[:2])
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    crops = []
    for pixels in (image, truth):
        window = np.rot90(pixels[top : top + size, left : left + size], turns)
        crops.append(_to_unit(window[:, ::-1] if mirrored else window))
    return crops[0], crops[1]


def _to_unit(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def _to_gray(images: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Replace the three channels of the selected images by their mean."""
    if which.any():
        images = images.copy()
        images[which] = images[which].mean(1, keepdims=True)
    return images
