"""Checkpoints: the state of a run in one file, from which it goes on as if it had never been interrupted."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError
from jumpset._core.files import atomic_write, check_target
from jumpset._core.signals import Hold
from jumpset._core.types import Iteration

_FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds, once it is read."""

    state: Any
    n_steps: int
    seconds: float
    history: Any


class StateFile:
    """A file that holds a state, and the settings that the state belongs to.

    Any state can be saved that is a dataclass or a tuple of tensors, NumPy arrays, numbers, others of the
    kind, and objects with ``state_dict`` and ``load_state_dict``, as networks and optimisers have.

    Parameters
    ----------
    path
        The file. It is replaced only by a complete one.
    settings
        Names and texts, all of which must be those of the file.
    device
        The device that tensors are loaded to.

    Raises
    ------
    InputError
        If the file has other settings.
    FileError
        If the file exists and is not a complete checkpoint.
    """

    def __init__(self, path: Path, settings: dict[str, str], device: torch.device) -> None:
        self._path, self._settings, self._device = path, settings, device
        self._found = self._read() if path.exists() else None

    def load(self, template: Any, image: Callable[[Any], Tensor] | None = None) -> Saved | None:
        """What the file holds, its state made like ``template``, a fresh one; None if there is no file.

        A file whose state has an ``image(state)`` of another shape is damaged.
        """
        found, self._found = self._found, None
        if found is None:
            return None
        try:
            shape = None if image is None else image(template).shape
            state = _fill(template, found["state"])
            n_steps, seconds = found["n_steps"], float(found["seconds"])
            checks.integer("n_steps", n_steps, at_least=0)
            checks.real("seconds", seconds, at_least=0.0)
            _check_history(found["history"])
            if image is not None and image(state).shape != shape:
                raise ValueError("a state of another image")
            return Saved(state, n_steps, seconds, found["history"])
        except InputError as error:
            if isinstance(error, FileError) or "checkpoint" in error.what:
                raise
            raise _damaged(self._path, error) from error
        except Exception as error:
            raise _damaged(self._path, error) from error

    def save(self, state: Any, n_steps: int, seconds: float, history: Any) -> None:
        """Replace the file; Ctrl-C and SIGTERM wait until it is complete.

        Within ``torch.save`` an interrupt would become an error of torch, and the run would lose its answer.

        Raises
        ------
        FileError
            If the file cannot be written, e.g. since the disk is full; the old file is kept.
        """
        content = {
            "format": _FORMAT,
            "names": self._settings,
            "state": _plain(state),
            "n_steps": n_steps,
            "seconds": seconds,
            "history": history,
        }
        try:
            with Hold(), atomic_write(self._path) as temporary, temporary.open("wb") as file:
                torch.save(content, file)  # given a path, torch would need a suffix
        except (FileError, RuntimeError) as error:  # torch makes a RuntimeError of a failed write
            given = error.given if isinstance(error, FileError) else f"{self._path} ({error})"
            raise FileError(
                "the checkpoint could not be written",
                given=" ".join(str(given).split())[:300],
                do="check the free space and the folder's permissions",
            ) from error

    def _read(self) -> dict[str, Any]:
        try:
            # torch.save compresses nothing; torch.load would read older formats, with any size they claim
            with self._path.open("rb") as file, zipfile.ZipFile(file) as archive:
                file.seek(0)
                if file.read(4) != b"PK\3\4" or any(entry.compress_type for entry in archive.infolist()):
                    raise ValueError("not an archive of torch.save")
            found = torch.load(self._path, map_location=self._device, weights_only=True)
            written = found["format"]
            settings = {str(name): str(value) for name, value in found["names"].items()}
        except Exception as error:  # what torch raises on a file of another kind is of many classes
            raise _damaged(self._path, error) from error
        if written != _FORMAT:
            raise FileError(
                "the checkpoint is of another version",
                given=f"format {written}",
                do="delete it to start over",
            )
        for name in [*self._settings, *(n for n in settings if n not in self._settings)]:
            here, there = self._settings.get(name), settings.get(name)
            if here != there:
                raise InputError(
                    f"the checkpoint was made with another {name}",
                    given=f"{_short(here)} here, {_short(there)} in {self._path}",
                    do="pass what it was made with, or name another file",
                )
        return found


class Checkpoint(StateFile):
    """The checkpoint file of one run.

    Parameters
    ----------
    path
        The file.
    method
        The method that is run, all of whose parameters must be those of the file.
    image
        The ``(B, C, H, W)`` tensor that is run on.
    every
        Steps between two savings; default: ten readings.

    Raises
    ------
    InputError
        If the path is not one, ``every`` is not a number of steps, or the file is of another run.
    FileError
        If the file cannot be written there, or exists and is not a complete checkpoint.
    """

    def __init__(
        self, path: str | os.PathLike[str], method: Iteration[Any], image: Tensor, *, every: int | None
    ) -> None:
        file = check_target(path)
        if every is not None:
            checks.integer("checkpoint_every", every, at_least=1)
        self.every = every or 10 * method.check_every
        settings = {"method": method.name, "picture": _digest(image), **_parameters(method)}
        super().__init__(file, settings, image.device)


def _plain(value: Any) -> Any:
    """A state as tensors, numbers, texts, lists and dictionaries, which torch loads without running code."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if callable(getattr(value, "state_dict", None)):
        return value.state_dict()
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    raise InputError(
        "a part of the state cannot be saved", given=type(value).__name__, do="run without checkpoint"
    )


def _check_history(history: Any) -> None:
    """Raise ``ValueError`` unless these are lists of numbers by name, or such numbers of each score."""
    rows = history.values() if isinstance(history, dict) else [[*row.values()] for row in history]
    if not all(isinstance(v, (int, float)) for row in rows for v in row):
        raise ValueError("a history that is not of numbers")
    if isinstance(history, dict) and len({len(history["step"]), len(history["seconds"])}) > 1:
        raise ValueError("a history of unequal lengths")
    if isinstance(history, list) and not all("psnr" in row for row in history):
        raise ValueError("a history without scores")


def _fill(template: Any, saved: Any, same_size: bool = True) -> Any:
    """The value that was saved, of the template's kind."""
    if isinstance(template, Tensor):
        _check_like(template, saved, same_size)
        return saved
    if isinstance(template, np.ndarray):
        array = saved.cpu().numpy()
        _check_like(template, array, same_size)
        return array
    if isinstance(template, (bool, int, float, str)):
        if type(saved) not in (bool, int, float, str):
            raise ValueError("a value of another kind")
        return saved
    if callable(getattr(template, "load_state_dict", None)):
        template.load_state_dict(saved)
        return template
    check = getattr(template, "check_loaded", None)  # where sizes change, or kernels follow indices
    same_size = same_size and check is None
    filled: Any = saved
    if is_dataclass(template):
        parts = {f.name: _fill(getattr(template, f.name), saved[f.name], same_size) for f in fields(template)}
        filled = type(template)(**parts)
    elif isinstance(template, (tuple, list)):
        values = [_fill(t, s, same_size) for t, s in zip(template, saved, strict=True)]
        filled = type(template)(*values) if hasattr(template, "_fields") else type(template)(values)
    if check is not None:
        filled.check_loaded(template)
    return filled


def _check_like(template: Any, saved: Any, same_size: bool) -> None:
    """Raise ``ValueError`` for an array of another kind."""
    same_size = same_size and 0 not in template.shape  # an array that is empty at first grows later
    fits = saved.shape == template.shape if same_size else saved.ndim == template.ndim
    if saved.dtype != template.dtype or not fits:
        raise ValueError("an array of another kind")


def _parameters(method: Iteration[Any]) -> dict[str, str]:
    return {f.name: _digest(getattr(method, f.name)) for f in fields(method) if f.init}  # type: ignore[arg-type]


def _digest(value: Any) -> str:
    """A text that differs where the values differ: the value itself where it is short, else a checksum."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray):
        checksum = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"{value.dtype} {value.shape} {checksum}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_digest(v) for v in value)}]"
    inner = vars(value) if hasattr(value, "__dict__") else {}
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{name}({', '.join(f'{k}={_digest(v)}' for k, v in inner.items())})"


def _short(text: str | None) -> str:
    if text is None:
        return "none"
    return text if len(text) <= 60 else f"{text[:50]}…{text[-8:]}"


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(
        "the file is not a checkpoint, or is damaged",
        given=f"{path} ({type(error).__name__})",
        do="name another file, or delete this one to start over",
    )
