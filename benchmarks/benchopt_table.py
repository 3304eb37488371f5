"""A benchopt run as a Markdown table: seconds to each accuracy, losses included.

    benchopt run benchmarks/tv_denoising -r 5 --output mine
    python benchmarks/benchopt_table.py benchmarks/tv_denoising/outputs/mine.parquet

Accuracy is (value − least value seen by any solver) / least value. Seconds: median (least … most) over the
repetitions of the first reading that is that accurate; – where none is.
"""

import sys
from statistics import median

import pandas as pd

GOALS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)


def seconds_to(runs, least, goal):
    """Of each repetition, the time of its first reading within the goal; None unless all reach it."""
    found = []
    for _, run in runs.groupby("idx_rep"):
        good = run[run["objective_value"] <= least * (1 + goal)]
        if good.empty:
            return None
        found.append(float(good["time"].min()))
    return found


def table(frame):
    """Markdown, one part a problem."""
    parts = []
    for (data, objective), problem in frame.groupby(["dataset_name", "objective_name"]):
        least = problem["objective_value"].min()
        lines = [f"{data}, {objective}; least value {least:.8g}\n"]
        lines += [f"| solver | {' | '.join(f'{g:g}' for g in GOALS)} | its best |", "|---|" + "--:|" * 6]
        for solver, runs in problem.groupby("solver_name", sort=False):
            cells = []
            for goal in GOALS:
                found = seconds_to(runs, least, goal)
                spread = "" if found is None else f"{min(found):.3g} … {max(found):.3g}"
                cells.append("–" if found is None else f"{median(found):.3g} ({spread})")
            cells.append(f"{runs['objective_value'].min() / least - 1:.1e}")
            lines.append(f"| {solver} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(table(pd.concat([pd.read_parquet(path) for path in sys.argv[1:]])))
