"""Batches to train on, drawn or cut from a folder: batch k depends on the seed and k alone."""

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
"""Pictures and their truths, float32 ``(B, 3, S, S)`` in [0, 1]."""

_GRAY = 8  # one in so many examples has three equal channels, as gray pictures are given to the networks
_KEPT = 2**30  # bytes of decoded pictures that are held in memory
_FADE = 0.0  # a network would guess one for every picture
_AHEAD = 3  # batches that wait while one is in use


def synthetic(
    batch_size: int, size: int, *, kind: Kind, seed: int, start: int = 0, step: int = 1
) -> Iterator[Batch]:
    """Endless pairs that are drawn, some of them gray: the batches ``start, start + step, …``."""
    batches = datasets.batches(
        batch_size, size, kind=kind, channels=3, fade=_FADE, seed=seed, start=start, step=step
    )
    for k, (picture, truth) in zip(count(start, step), batches, strict=False):
        gray = np.random.default_rng([3, seed, k]).random(batch_size) < 1 / _GRAY
        yield _grayed(picture, gray), _grayed(truth, gray)


def folder(
    pairs: list[Pair], batch_size: int, size: int, *, seed: int, start: int = 0, step: int = 1
) -> Iterator[Batch]:
    """Endless crops of the pairs, turned, mirrored, some of them gray: ``start, start + step, …``.

    Pictures smaller than the crop are continued by their mirror images.
    """
    cache = _Cache(pairs, size)
    for k in count(start, step):
        rng = np.random.default_rng([4, seed, k])
        gray = rng.random(batch_size) < 1 / _GRAY
        crops = [_crop(rng, *cache.load(int(i)), size) for i in rng.integers(len(pairs), size=batch_size)]
        picture, truth = (np.stack([crop[side] for crop in crops]) for side in (0, 1))
        yield _grayed(picture, gray), _grayed(truth, gray)


def drawn(n: int, size: int, *, kind: Kind, seed: int) -> Batch:
    """Single pairs, each of its own scene, to score on."""
    made = [datasets.synthetic(size, size, kind=kind, fade=_FADE, seed=seed + k) for k in range(n)]
    return np.stack([a.transpose(2, 0, 1) for a, _ in made]), np.stack(
        [b.transpose(2, 0, 1) for _, b in made]
    )


def centres(pairs: list[Pair], size: int) -> Batch:
    """The middle of each picture, to score on."""
    cache, cut = _Cache(pairs, size), []
    for k in range(len(pairs)):
        pair = cache.load(k)
        top, left = ((side - size) // 2 for side in pair[0].shape[:2])
        cut.append([_floats(a[top : top + size, left : left + size]) for a in pair])
    picture, truth = (np.stack([pair[side] for pair in cut]) for side in (0, 1))
    return picture, truth


@contextmanager
def ahead(make: Callable[..., Iterator[Batch]], start: int, workers: int) -> Iterator[Iterator[Any]]:
    """The batches of ``make(start=…, step=…)`` from ``start`` on, made while the former ones are in use.

    By a thread, or by so many processes, each of which makes every so-many-th batch; the batches and their
    order are the same.
    """
    if workers:
        loader = DataLoader(
            _Striped(make, start),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn",  # a fork of a process with threads may never come to work
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
    waiting = deque(pool.submit(next, batches) for _ in range(_AHEAD))
    while True:
        yield waiting.popleft().result()
        waiting.append(pool.submit(next, batches))


class _Striped(IterableDataset):
    """What one of several processes makes."""

    def __init__(self, make: Callable[..., Iterator[Batch]], start: int) -> None:
        self._make, self._start = make, start

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        assert worker is not None
        return self._make(start=self._start + worker.id, step=worker.num_workers)


def _ignore_interrupts(_worker: int) -> None:
    """Ctrl-C reaches all processes; the main one ends the others when it is through."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Cache:
    """Pairs as uint8 arrays (H, W, 3) of at least a crop's size; read once as far as memory is granted."""

    def __init__(self, pairs: list[Pair], size: int) -> None:
        self._pairs, self._size = pairs, size
        self._held: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._bytes = 0

    def load(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        if k in self._held:
            return self._held[k]
        picture, truth = (self._fit(a) for a in self._pairs[k].load())
        if self._bytes + 2 * picture.nbytes <= _KEPT:
            self._held[k] = picture, truth
            self._bytes += 2 * picture.nbytes
        return picture, truth

    def _fit(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=-1)
        lacking = [max(0, self._size - side) for side in pixels.shape[:2]]
        return np.pad(pixels, [*((n // 2, n - n // 2) for n in lacking), (0, 0)], mode="symmetric")


def _crop(rng: np.random.Generator, picture: np.ndarray, truth: np.ndarray, size: int) -> Batch:
    """The same window of both, turned by a multiple of 90 degrees, perhaps mirrored."""
    top, left = (int(rng.integers(side - size + 1)) for side in picture.shape[:2])
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    crops = []
    for pixels in (picture, truth):
        window = np.rot90(pixels[top : top + size, left : left + size], turns)
        crops.append(_floats(window[:, ::-1] if mirrored else window))
    return crops[0], crops[1]


def _floats(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def _grayed(pictures: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Some of the pictures with the mean of their channels in all three."""
    if which.any():
        pictures = pictures.copy()
        pictures[which] = pictures[which].mean(1, keepdims=True)
    return pictures
