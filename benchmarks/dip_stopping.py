"""What the parts of dip-l0 reach alone and together, and what early stopping costs the network alone.

    python benchmarks/dip_stopping.py FOLDER [--names S1_T4 S3_T7 ...] [--crop HEIGHT WIDTH] [--steps N]

FOLDER is as for dip_search.py. `dip` runs N steps once; the table has its answer after the default schedule,
its best answer by the truth ("oracle", with its step), and the answers of early stopping with a patience of
100, 200 and 400 steps; then the solver of the v-step alone, dip-l0, structure-texture and dip-correction. The
findings are in dip_search.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from dip_search import CORRECTION, DRAWN, NAMES, VARIANTS, load, score

import jumpset as js
from jumpset._core.arrays import to_tensor

PATIENCES = (100, 200, 400)
EVERY = 10


def network_alone(picture, truth, steps):
    """PSNR of the default schedule; of the best answer, with its step; of each patience's, with theirs."""
    method = replace(VARIANTS["dip"], n_steps=steps, patience=steps)
    tensor, layout = to_tensor(picture)

    def psnr(answer):
        return js.metrics.psnr(layout.restore(answer), truth)

    state, scores, ruled = method.init(tensor), {}, {}
    for n in range(1, steps + 1):
        state = method.step(state)
        if n % EVERY:
            continue
        scores[n] = psnr(state.average)
        for patience in PATIENCES:
            if patience not in ruled and (state.stopping.over(patience) or n + EVERY > steps):
                ruled[patience] = psnr(state.stopping.best), n
    best = max(scores, key=scores.get)
    return scores[VARIANTS["dip"].n_steps], (scores[best], best), [*ruled.values()]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--names", nargs="+", default=NAMES)
    options.add_argument("--crop", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"))
    options.add_argument("--steps", type=int, default=1200)
    given = options.parse_args()
    if given.steps < VARIANTS["dip"].n_steps:
        options.error(f"--steps must be at least {VARIANTS['dip'].n_steps}, dip's own")
    rules = [f"rule, {p}" for p in PATIENCES]
    others = {
        "region fusion": VARIANTS["region fusion .025"],
        "dip-l0, start blend .4": DRAWN,
        "structure-texture": VARIANTS["structure-texture"],
        "dip-correction": CORRECTION,
    }
    columns = ["input", "dip", "oracle", *rules, *others]
    print("| picture | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    totals = []
    for name in given.names:
        picture, truth = load(given.folder, name, given.crop)
        default, (oracle, step), ruled = network_alone(picture, truth, given.steps)
        row = [js.metrics.psnr(picture, truth), default, oracle, *(psnr for psnr, _ in ruled)]
        row += [score(method, picture, truth)[0] for method in others.values()]
        totals.append(row)
        at = dict(zip(["oracle", *rules], [step, *(n for _, n in ruled)], strict=True))
        cells = [
            f"{psnr:.2f}" + (f" ({at[c]})" if c in at else "") for c, psnr in zip(columns, row, strict=True)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("| mean | " + " | ".join(f"{psnr:.2f}" for psnr in np.mean(totals, axis=0)) + " |")


if __name__ == "__main__":
    main()
