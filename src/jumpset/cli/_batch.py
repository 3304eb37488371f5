"""A command for each of many files: which files, where their outputs go, processes, and the log."""

from __future__ import annotations

import glob
import inspect
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Literal

import typer

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError, MissingLibrary
from jumpset._core.files import WRITABLE, check_folder, check_target, is_zarr_store
from jumpset._core.processes import DIED, map_tasks
from jumpset._core.signals import Hold
from jumpset.cli._messages import in_options, say, warnings_as_lines
from jumpset.cli._progress import Progress
from jumpset.cli._shared import NO_MEMORY, RunFailed, interrupts, out_of_memory

_READ_ONLY = (".bmp", ".pbm", ".pgm", ".ppm", ".pnm", ".gif", ".jp2", ".j2k", ".avif", ".heic", ".heif")
_MAGIC = re.compile(r"[*?\[]")

Status = Literal["done", "failed", "skipped", "interrupted"]


@dataclass(frozen=True)
class Task:
    """One file of a command, as a worker process gets it."""

    command: tuple[str, str]
    """Module and name of the command's function."""
    options: dict[str, Any]
    """Its arguments but input and output."""
    output: str
    """The argument that names the output."""
    source: Path
    folder: Path
    """Where the outputs go."""
    names: tuple[str, ...]
    """The names of the outputs there."""
    scratch: Path
    """A folder of its own, on the same disk, in which the outputs are written first."""
    keeps: bool = False
    """Whether outputs that exist are kept."""


@dataclass(frozen=True)
class Outcome:
    """What became of a file: a line of the log."""

    input: str
    outputs: list[str]
    status: Status
    seconds: float = 0.0
    error: str | None = None


def is_many(source: Path) -> bool:
    """Whether an argument names a folder, or files by a pattern such as ``in/*.png``."""
    if is_zarr_store(source):
        return False
    return source.is_dir() or (bool(_MAGIC.search(str(source))) and not source.exists())


def find(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """Return the images of a folder or a pattern, each with its folder relative to what they share.

    A folder is searched with its subfolders, but hidden ones and that of the outputs.
    """
    if source.is_dir():
        base, found = source, _walk(source)
        nothing, do = "the folder holds no image", "name a folder of image files"
    else:
        parts = source.parts
        n_fixed = next(k for k, part in enumerate(parts) if _MAGIC.search(part))
        base = Path(*parts[:n_fixed])
        found = [path for path in map(Path, glob.glob(str(source), recursive=True)) if path.is_file()]
        nothing, do = "no file has this pattern", "check the path; quote the pattern, as in 'in/*.png'"
    made = output.resolve()
    if made != base.resolve():  # what an earlier run made of the others
        found = [path for path in found if made not in path.resolve().parents]
    if not found:
        raise FileError(nothing, given=source, do=do)
    return [(path, path.parent.relative_to(base)) for path in sorted(found)]


def _walk(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in files if not name.startswith(".")]
    return [path for path in found if path.suffix.lower() in (*WRITABLE, *_READ_ONLY)]


def run_each(
    tasks: Sequence[Task],
    folder: Path,
    *,
    jobs: int,
    log: Path | None,
    resume: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a command for each file; ends in ``typer.Exit`` unless all are done."""
    checks.integer("--jobs", jobs, at_least=1)
    if resume and force:
        raise InputError("--resume and --force exclude each other", given="both", do="pass one of the two")
    tasks = _checked(tasks, folder, resume=resume, force=force)
    used = [task.source for task in tasks] + [path for task in tasks for path in _outputs(task)]
    _check_log(log, used, append=resume, force=force)
    kept = {task for task in range(len(tasks)) if resume and all(p.exists() for p in _outputs(tasks[task]))}
    open_tasks = [replace(task, keeps=resume) for k, task in enumerate(tasks) if k not in kept]
    outcomes = [_outcome(tasks[k], "skipped") for k in sorted(kept)]
    is_cut = False
    started = time.monotonic()
    with (
        _scratch(folder, open_tasks) as placed,
        _lines(log, append=resume) as note,
        Progress(wanted=not quiet) as bar,
    ):
        for outcome in outcomes:
            note(outcome, as_json)
        bar.begin("files", len(tasks))
        bar.advance(len(outcomes), len(tasks))
        threads = max(1, (os.cpu_count() or 1) // jobs)
        died = partial(_outcome, status="failed", error=DIED)
        try:
            with closing(map_tasks(run_one, placed, jobs, threads=threads, died=died)) as made:
                for outcome in made:
                    with Hold():
                        outcomes.append(outcome)
                        note(outcome, as_json)
                        bar.advance(len(outcomes), len(tasks))
                    if outcome.status == "failed":
                        say(f"jumpset: {outcome.input}: {outcome.error}")
                    if interrupts.seen():
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            is_cut = True
    _close(outcomes, len(tasks), folder, log, time.monotonic() - started, quiet=quiet, is_cut=is_cut)


def run_one(task: Task) -> Outcome:
    """Run the command for a file; its outputs appear in their folder when all are complete."""
    started = time.monotonic()
    if parent_process() is not None:  # each worker would say that it compiles
        logging.getLogger("jumpset").setLevel(logging.ERROR)
    try:
        error = _run(task)
        status: Status = "done" if error is None else "failed"
    except KeyboardInterrupt:
        status, error = "interrupted", None
    except typer.Exit as end:  # of an interrupted run, whose image so far is no result of a folder's
        status, error = ("interrupted", None) if end.exit_code >= 128 else ("failed", "failed")
    finally:
        shutil.rmtree(task.scratch, ignore_errors=True)
    return _outcome(task, status, error=error, seconds=round(time.monotonic() - started, 3))


def _run(task: Task) -> str | None:
    """Run the command and move its outputs; return what went wrong."""
    module, name = task.command
    function = inspect.unwrap(getattr(import_module(module), name))
    try:
        task.scratch.mkdir(parents=True)
        target = task.scratch / task.names[0] if len(task.names) == 1 else task.scratch
        target = task.scratch if task.output == "folder" else target
        with warnings_as_lines(task.options, f"{task.source}: "):
            function(source=task.source, **{task.output: target}, **task.options)
        with Hold():
            task.folder.mkdir(parents=True, exist_ok=True)
            for path in task.scratch.iterdir():
                if not (task.keeps and (task.folder / path.name).exists()):
                    os.replace(path, task.folder / path.name)
    except (InputError, MissingLibrary, RunFailed) as error:
        return in_options(str(error), task.options).replace(str(task.scratch), str(task.folder))
    except (MemoryError, RuntimeError) as error:
        return NO_MEMORY if out_of_memory(error) else f"{type(error).__name__}: {error}"
    except Exception as error:  # the other files continue
        return f"{type(error).__name__}: {error}"
    return None


def _outcome(task: Task, status: Status, *, error: str | None = None, seconds: float = 0.0) -> Outcome:
    return Outcome(str(task.source), [*map(str, _outputs(task))], status, seconds, error)


def _outputs(task: Task) -> list[Path]:
    return [task.folder / name for name in task.names]


def _checked(tasks: Sequence[Task], folder: Path, *, resume: bool, force: bool) -> Sequence[Task]:
    """Return the tasks; raise unless each output has a path of its own, and none replaces a file unasked."""
    is_file_name = folder.suffix.lower() in (*WRITABLE, ".svg", ".geojson", ".json")
    if not folder.is_dir() and (folder.exists() or is_file_name):
        raise FileError("the outputs of several images need a folder", given=folder, do="name a folder")
    check_folder(folder)
    owners: dict[Path, Path] = {}
    sources = {task.source.resolve() for task in tasks}
    for task in tasks:
        for path in _outputs(task):
            if path.resolve() in sources:
                raise InputError("an output would replace an input", given=path, do="name another folder")
            if path in owners:
                raise InputError(
                    "two images have one output",
                    given=f"{owners[path]} and {task.source} for {path}",
                    do="rename one, or run them apart by patterns such as 'in/*.png'",
                )
            owners[path] = task.source
    existing = [path for path in owners if path.exists()]
    if existing and not (resume or force):
        raise FileError(
            f"{len(existing)} of {len(owners)} outputs exist",
            given=existing[0],
            do="pass --resume to keep them and do the others, or --force to replace them",
        )
    return tasks


def _check_log(log: Path | None, used: Sequence[Path], *, append: bool, force: bool) -> None:
    if log is None:
        return
    check_target(log)
    if log.resolve() in {path.resolve() for path in used}:
        raise InputError("the log would replace an input or an output", given=log, do="name another --log")
    if log.exists() and not (append or force):
        raise FileError(
            "the log exists", given=log, do="pass --resume to add to it, or --force to replace it"
        )


@contextmanager
def _scratch(folder: Path, tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Give each task a folder in a hidden one beside the outputs, which is removed at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".jumpset-", dir=folder))
    except OSError as error:
        raise FileError(
            "the folder cannot be created", given=f"{folder} ({error})", do="name another"
        ) from None
    try:
        yield [replace(task, scratch=place / str(k)) for k, task in enumerate(tasks)]
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _lines(log: Path | None, *, append: bool) -> Iterator[Callable[[Outcome, bool], None]]:
    """Open the log, one line of JSON a file, each on disk before the next file is done."""
    file = None
    if log is not None:
        is_cut = append and log.exists() and not log.read_bytes().endswith(b"\n") and log.stat().st_size
        file = log.open("a" if append else "w", encoding="utf-8", errors="backslashreplace")
        file.write("\n" if is_cut else "")

    def note(outcome: Outcome, to_stdout: bool) -> None:
        line = json.dumps(asdict(outcome))
        if to_stdout:
            typer.echo(line)
        if file is not None:
            with suppress(OSError):  # a full disk will show in the images
                file.write(line + "\n")
                file.flush()

    try:
        yield note
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def _close(
    outcomes: Sequence[Outcome],
    total: int,
    folder: Path,
    log: Path | None,
    seconds: float,
    *,
    quiet: bool,
    is_cut: bool,
) -> None:
    """Say what was done, and exit with 1 where a file failed, with the code of the signal where one came."""
    count = {s: sum(o.status == s for o in outcomes) for s in ("done", "skipped", "failed")}
    parts = [f"{folder}: {count['done'] + count['skipped']} of {total} files"]
    parts += [f"{count['skipped']} of them from before"] * bool(count["skipped"])
    parts += [f"{count['failed']} failed"] * bool(count["failed"])
    parts += [f"{seconds:.1f} s"] + [f"log in {log}"] * (log is not None)
    if is_cut:
        say(f"jumpset: interrupted; {', '.join(parts)}; the same command with --resume does the others")
        raise typer.Exit(interrupts.exit_code)
    if not quiet:
        say(", ".join(parts))
    if count["failed"]:
        raise typer.Exit(1)
