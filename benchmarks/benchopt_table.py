"""Print a benchopt run as a Markdown table: seconds to each accuracy, for all solvers.

    benchopt run benchmarks/tv_denoising -r 5 --output mine
    python benchmarks/benchopt_table.py benchmarks/tv_denoising/outputs/mine.parquet

Accuracy is (value − lowest value of any solver) / lowest value. Seconds are those of the first reading with
this accuracy, as median (minimum … maximum) over the repetitions; – means that no reading has it.
"""

import sys
from statistics import median

import pandas as pd

GOALS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)


def seconds_to(runs, lowest, goal):
    """Return the time of each repetition's first reading within the goal, or None unless all reach it."""
    found = []
    for _, run in runs.groupby("idx_rep"):
        good = run[run["objective_value"] <= lowest * (1 + goal)]
        if good.empty:
            return None
        found.append(float(good["time"].min()))
    return found


def table(frame):
    """Return Markdown, one table per problem."""
    parts = []
    for (data, objective), problem in frame.groupby(["dataset_name", "objective_name"]):
        lowest = problem["objective_value"].min()
        lines = [f"{data}, {objective}; lowest value {lowest:.8g}\n"]
        lines += [f"| solver | {' | '.join(f'{g:g}' for g in GOALS)} | best reached |", "|---|" + "--:|" * 6]
        for solver, runs in problem.groupby("solver_name", sort=False):
            cells = []
            for goal in GOALS:
                found = seconds_to(runs, lowest, goal)
                spread = "" if found is None else f"{min(found):.3g} … {max(found):.3g}"
                cells.append("–" if found is None else f"{median(found):.3g} ({spread})")
            cells.append(f"{runs['objective_value'].min() / lowest - 1:.1e}")
            lines.append(f"| {solver} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(table(pd.concat([pd.read_parquet(path) for path in sys.argv[1:]])))
