"""The files of ``jumpset bench``: records, which --resume reads, and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError, InputError
from jumpset._core.files import check_folder
from jumpset.bench import (
    COSTS,
    ENERGY_WEIGHT,
    INPUT,
    PUBLISHED_INPUT_PSNR,
    SCORES,
    Candidate,
    Record,
    output_path,
    summarize,
)
from jumpset.bench.tables import HEAD, PUBLISHED_HEAD, best, cells, latex, markdown
from jumpset.datasets import PairLike
from jumpset.datasets.folders import sample_evenly
from jumpset.io import read_picture
from jumpset.report import comparison_page
from jumpset.report.files import check_text_path, write_text
from jumpset.report.numbers import finite


def check_paths(output: Path, tables: Sequence[Path], outputs: Path | None) -> None:
    """Raise ``FileError`` unless all files can be written; nothing is created."""
    check_text_path(output, "file of records", (".json", ".jsonl"))
    for table in tables:
        check_text_path(table, "table", (".md", ".tex", ".html"))
    if outputs is not None and outputs.exists() and not outputs.is_dir():
        raise FileError("--outputs must be a folder", given=outputs, do="name another folder")
    if outputs is not None:
        check_folder(outputs)


def read_records(path: Path, methods: Sequence[Candidate]) -> list[Record]:
    """Return the successful records of an earlier comparison; none if there is no file.

    Raises
    ------
    FileError
        The file cannot be read, or is not a list of records.
    InputError
        The file has one of the methods with other settings.
    """
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        found = (
            [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
        )
        if not isinstance(found, list) or not all(map(_is_record, found)):
            raise ValueError("not a list of records")
        records = [r for r in found if not r["status"].startswith("FAILED")]
        settings = {r["method"]: r["settings"] for r in records}
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(
            "the file of records cannot be resumed",
            given=f"{path} ({type(error).__name__}: {error})",
            do="leave --resume out, or name another file",
        ) from error
    for method in methods:
        if settings.get(method.label, method.settings()) != method.settings():
            raise InputError(
                f"{path} has {method.label} with other settings",
                given=_difference(settings[method.label], method.settings()),
                do="pass the same settings, or name another file",
            )
    return records


def _is_record(value: Any) -> bool:
    """Whether a value of JSON is a record, with every key that tables need."""
    if not isinstance(value, dict) or not isinstance(value.get("settings"), dict):
        return False
    texts = [value.get(key) for key in ("image", "method", "status")]
    numbers = [value.get(key) for key in SCORES + COSTS]
    is_number = [v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in numbers]
    return all(isinstance(text, str) for text in texts) and all(is_number)


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return ", ".join(f"{key}={new.get(key)!r} instead of {old.get(key)!r}" for key in keys)


def sort_records(records: Sequence[Record], images: Sequence[str], labels: Sequence[str]) -> list[Record]:
    """Sort records by the given orders of images and methods; names in neither order come last."""
    place = {name: k for k, name in enumerate([*images, *labels])}
    return sorted(records, key=lambda r: [place.get(r[key], len(place)) for key in ("image", "method")])


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Replace the file atomically, without the records of the inputs, which are cheap to compute again."""
    lines = [json.dumps(finite(r), allow_nan=False) for r in records if r["method"] != INPUT]
    if path.suffix == ".jsonl":
        text = "".join(f"{line}\n" for line in lines)
    else:
        text = "[\n" + ",\n".join(lines) + "\n]\n"
    write_text(path, text, "file of records")


def write_tables(
    paths: Sequence[Path],
    records: Sequence[Record],
    pairs: Sequence[PairLike],
    outputs: Path | None,
    command: str,
    *,
    title: str,
    published: bool,
) -> None:
    """Write each table in the format of its suffix; files are replaced atomically."""
    rows = summarize(records)
    scored = {r["image"] for r in records if r["psnr"] is not None}
    pairs = [pair for pair in pairs if pair.name in scored]
    notes = _notes(published)
    for path in paths:
        if path.suffix == ".html":
            text = comparison_page(
                title,
                [*HEAD, *(PUBLISHED_HEAD if published else ())],
                [cells(row, published=published) for row in rows],
                best(rows),
                {r.label: (r.means["seconds"] or 0.0, r.gain or 0.0) for r in rows if r.label != INPUT},
                {} if outputs is None else _pictures(pairs, [r.label for r in rows], outputs),
                command=command,
                notes=notes,
            )
        else:
            text = (markdown if path.suffix == ".md" else latex)(rows, notes, published=published)
        write_text(path, text, "table")


def _notes(published: bool) -> list[str]:
    notes = [
        (
            "Means over the images; scores of 8-bit outputs. gain: over the PSNR of the same inputs. "
            "edges: correlation of the Laplacians. E_pix, E_edge: squared distance to the input plus "
            f"{ENERGY_WEIGHT} per pixel with a gradient, or per jump. isolated: fraction of nonzero pixels "
            "without a nonzero neighbour. MiB: increase of memory during the run."
        )
    ]
    if published:
        notes.append(
            "Published: Tran, Bui & Xin (2026), on 120 other images of the set with inputs of "
            f"{PUBLISHED_INPUT_PSNR} dB; their SSIM is the volume variant. The rows resnet and vdcnn are "
            "in doubt."
        )
    return notes


def _pictures(
    pairs: Sequence[PairLike], labels: Sequence[str], outputs: Path
) -> dict[str, dict[str, np.ndarray]]:
    """Return input, truth and the available outputs of at most three images.

    An image or an output that cannot be read is left out: its record names the failure.
    """
    shown = {}
    for pair in sample_evenly([*pairs], 3):
        try:
            picture, truth = pair.load()
        except InputError:
            continue
        images = {INPUT: picture, "truth": truth}
        for label in labels:
            path = output_path(outputs, label, pair.name)
            if path.is_file():
                with suppress(InputError):
                    images[label] = read_picture(path).pixels
        shown[pair.name] = images
    return shown
