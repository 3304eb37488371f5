"""Make table and plot of the page "Benchmarks" from images that come with the package: `make bench`.

    python benchmarks/readme_table.py [--limit N] [--slow-limit 4] [--jobs 2] [--records FILE]

Runs every method of the registry at its defaults by `jumpset bench synthetic --resume`, so that a killed run
continues where it stopped. The deep image priors run only on --slow-limit of the images, each for at most
--max-seconds. The table's columns from "the N" on cover those images for every method, so that slow and fast
methods are compared on the same images. Seconds are of one thread if there are several jobs.

`--plot-only` measures nothing and draws the plot from the table as it is on the page.

docs/benchmarks.md and the plot change only if every run succeeded, and in the page only the text between
the markers.
The records are kept as readme_table-last.jsonl.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

import jumpset as js
from jumpset._core.files import atomic_write
from jumpset.bench import INPUT, candidates, run_one, summarize
from jumpset.report._labels import labelled_dots

ROOT = Path(__file__).parents[1]
MARKERS = ("<!-- table: made by `make bench`, do not edit -->", "<!-- /table -->")
KINDS = {"textured": "textured", "jpeg": "JPEG", "sparse": "sparse"}
STYLE = """<style>text { font: 12px system-ui, sans-serif; fill: #1b1f24; } .grid { stroke: #d5d9df; }
.dot { fill: #0b62c4; }</style>"""


def is_slow(name):
    """Whether the method takes minutes per image and runs on a few images only."""
    return name.startswith("dip")


def bench(names, limit, arguments):
    """Add the runs of these methods to the records; raise SystemExit if one fails."""
    command = [
        sys.executable,
        "-m",
        "jumpset",
        "bench",
        "synthetic",
        "--methods",
        ",".join(names),
        "--resume",
    ]
    command += ["--json", str(arguments.records), "--jobs", str(arguments.jobs)]
    command += [] if limit is None else ["--limit", str(limit)]
    if all(map(is_slow, names)):
        command += ["--max-seconds", str(arguments.max_seconds)]
    print(*command, flush=True)
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit("a run failed: the page is unchanged; the finished runs are kept for the next time")


def kind_of(record):
    return record["image"].rstrip("0123456789")


def table(records, names, few):
    """Return Markdown, sorted by the gain on the few, and the points of the plot."""
    on_few = _rows([r for r in records if r["image"] in few])
    whole = _rows(records)
    columns = {}  # heading: (format, {method: value})
    for kind, text in KINDS.items():
        rows = _rows([r for r in records if kind_of(r) == kind])
        columns[f"{text}, dB"] = "+.2f", {n: rows[n].gain for n in names if n in rows and not is_slow(n)}
    columns[f"the {len(few)}, dB"] = "+.2f", {n: on_few[n].gain for n in names}
    columns["SSIM"] = ".3f", {n: on_few[n].means["ssim"] for n in names}
    columns["edges"] = ".3f", {n: on_few[n].means["edges"] for n in names}
    columns["seconds"] = ".2g", {n: whole[n].means["seconds"] for n in names}
    columns["MiB"] = ".0f", {n: whole[n].means["peak_mib"] for n in names}
    lines = [f"| method | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    for name in sorted(names, key=lambda n: -on_few[n].gain):
        cells = [f"`{name}`{'*' if 'TIME_LIMIT' in whole[name].ended else ''}"]
        for head, (form, values) in columns.items():
            value = values.get(name)
            text = "" if value is None else format(value, form)
            best = head not in ("seconds", "MiB") and value is not None and value == max(values.values())
            cells.append(f"**{text}**" if best else text)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines), {n: (whole[n].means["seconds"], on_few[n].gain) for n in names}


def _rows(records):
    return {row.label: row for row in summarize(records)}


def notes(records, few, arguments):
    inputs = [r for r in records if r["method"] == INPUT]
    counts = []
    for kind, text in KINDS.items():
        mine = [r["psnr"] for r in inputs if kind_of(r) == kind]
        counts += [f"{len(mine)} {text}, {fmean(mine):.1f} dB"] if mine else []
    slow = any(is_slow(r["method"]) for r in records)
    cut = any(r["status"] == "TIME_LIMIT" for r in records)
    return (
        f"Gain over the PSNR of the input at each method's defaults, on {len(inputs)} images of "
        f"288 × 384 pixels with known truths (inputs: {'; '.join(counts)}; `js.datasets.synthetic_pairs`). "
        f'The columns from "the {len(few)}" to "edges" cover only {", ".join(few)}'
        + (", on which the deep image priors ran too" if slow else "")
        + (f" (\\*: stopped at {arguments.max_seconds:g} seconds)" if cut else "")
        + ". "
        '"edges" is the correlation of the Laplacians, "MiB" the increase of memory. '
        + ("Each run used one thread." if arguments.jobs > 1 else "")
    )


def plot(points, count):
    """Draw gain against seconds (logarithmic); names cover neither dots nor other names."""
    logs = {n: math.log10(max(seconds, 1e-3)) for n, (seconds, _) in points.items()}
    left, right = math.floor(min(logs.values())), math.ceil(max(logs.values()) + 1e-9)
    low, high = math.floor(min(g for _, g in points.values())), math.ceil(max(g for _, g in points.values()))
    width, height, bottom, margin = 860, 640, 590, 50

    def place(log, gain):
        x = margin + (width - 2 * margin) * (log - left) / max(right - left, 1)
        return x, bottom - (bottom - margin) * (gain - low) / max(high - low, 1)

    parts = [f'<text x="8" y="20">gain over the input in dB, mean of {count} images</text>']
    for gain in range(low, high + 1):
        y = place(left, gain)[1]
        parts.append(f'<path class="grid" d="M{margin} {y:.0f}H{width - margin}"/>')
        parts.append(f'<text x="20" y="{y + 4:.0f}">{gain}</text>')
    for log in range(left, right + 1):
        x = place(log, low)[0]
        parts.append(f'<text x="{x:.0f}" y="{bottom + 20}" text-anchor="middle">{10.0**log:g}</text>')
    parts.append(f'<text x="{width / 2}" y="{bottom + 40}" text-anchor="middle">seconds per image</text>')
    dots = {n: place(logs[n], gain) for n, (_, gain) in points.items()}
    parts += labelled_dots(dots, width, bottom)
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">'
    return f'{opening}{STYLE}<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n'


def points_of(page):
    """Read seconds and gain of each method from the table of a page, and the number of images of the gain."""
    table = page.partition(MARKERS[0])[2].partition(MARKERS[1])[0]
    lines = [line for line in table.splitlines() if line.startswith(("| method |", "| `"))]
    head, *rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]
    few = next(name for name in head if name.startswith("the "))
    seconds, gain = head.index("seconds"), head.index(few)
    points = {row[0].split("`")[1]: (float(row[seconds]), float(row[gain])) for row in rows}
    return points, int(few.split()[1].rstrip(","))


def replaced(text, new):
    """Return the text with new content between the markers."""
    begin, end = MARKERS
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SystemExit(f"the page must hold {begin} and, after it, {end}, once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.split(end)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, help="images for the fast methods; default: all 20")
    parser.add_argument("--slow-limit", type=int, default=4, help="images for the deep image priors")
    parser.add_argument("--max-seconds", type=float, default=120.0, help="limit of each of their runs")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--methods", help="default: all of the registry")
    parser.add_argument("--records", type=Path, default=ROOT / "out" / "readme_table.jsonl")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "pictures" / "speed_quality.svg")
    parser.add_argument("--plot-only", action="store_true", help="draw the plot from the table on the page")
    arguments = parser.parse_args()
    if arguments.plot_only:
        with atomic_write(arguments.plot) as file:
            file.write_text(plot(*points_of(arguments.page.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    began = time.monotonic()
    replaced(arguments.page.read_text(encoding="utf-8"), "")  # fail before the work, not after it
    arguments.records.parent.mkdir(parents=True, exist_ok=True)
    names = arguments.methods.split(",") if arguments.methods else [*js.methods()]
    candidates(names)  # raises on an unknown name before any work
    fast, slow = [n for n in names if not is_slow(n)], [n for n in names if is_slow(n)]
    for group, limit in ((fast, arguments.limit), (fast, arguments.slow_limit), (slow, arguments.slow_limit)):
        if group:
            bench(group, limit, arguments)
    pairs = js.datasets.synthetic_pairs(arguments.limit)
    few = [pair.name for pair in js.datasets.synthetic_pairs(arguments.slow_limit)]
    everything = {pair.name: pair for pair in [*pairs, *js.datasets.synthetic_pairs(arguments.slow_limit)]}
    lines = arguments.records.read_text(encoding="utf-8").splitlines()
    records = [r for r in map(json.loads, lines) if r["image"] in everything and r["method"] in names]
    inputs = [record for pair in everything.values() for record in run_one(pair, None, None, None)]
    text, points = table([*inputs, *records], names, few)
    note = notes([*inputs, *records], few, arguments)
    svg = plot(points, len(few))
    shown = Path(os.path.relpath(arguments.plot, arguments.page.parent)).as_posix()
    body = f"{text}\n\n{note}\n\n![Gain against seconds per image]({shown})"
    with atomic_write(arguments.plot) as file:
        file.write_text(svg, encoding="utf-8")
    with atomic_write(arguments.page) as file:
        file.write_text(replaced(arguments.page.read_text(encoding="utf-8"), body), encoding="utf-8")
    # the next call measures everything again
    arguments.records.replace(arguments.records.with_stem(f"{arguments.records.stem}-last"))
    for row in summarize(records):
        seconds, count = row.means["seconds"], row.n_images
        print(f"{row.label:20s}{count:3d} × {seconds:7.2f} s = {seconds * count / 60:6.2f} min")
    print(f"{arguments.page}, {arguments.plot}: {(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
