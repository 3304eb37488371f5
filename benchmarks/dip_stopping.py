"""What the parts of dip-l0 reach alone and together, and what stopping by rule costs the network alone.

    python benchmarks/dip_stopping.py FOLDER [--names S1_T4 S3_T7 ...] [--crop HEIGHT WIDTH] [--steps N]

FOLDER is as for dip_search.py. `dip` runs N steps once; of its answers are shown that of its default
schedule, the best (by the truth, which nobody has: "oracle", with its step), and the one that its stopping
rule returns with a patience of 100, 200 and 400 steps. Beside it the solver of the v-step alone, dip-l0 from
it, and dip-l0 as it is. The findings are in dip_search.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from dip_search import DEFAULT, DRAWN, NAMES, VARIANTS, load

import jumpset as js
from jumpset.driver import run

PATIENCES = (100, 200, 400)
EVERY = 10


def network_alone(picture, truth, steps):
    """PSNR of the default schedule; of the best answer, with its step; of each patience's, with theirs."""
    method = replace(VARIANTS["dip"], n_steps=steps, patience=steps)
    default, scores, ruled = VARIANTS["dip"].n_steps, {}, {}
    state = {}

    class Watched(type(method)):
        """The method, its state in sight."""

        def record(self, seen):
            """As ever."""
            state["now"] = seen
            return super().record(seen)

    def score(tensor):
        levels = np.rint(255 * tensor[0].permute(1, 2, 0).clamp(0, 1).numpy())
        return js.metrics.psnr(levels.astype(np.uint8), truth)

    def read(step):
        now = state["now"]
        if step.n_steps == 0:
            return
        scores[step.n_steps] = score(now.average)
        for patience in PATIENCES:
            if patience not in ruled and now.stillness.over(patience):
                ruled[patience] = score(now.stillness.best), step.n_steps
        last["rule"] = score(now.stillness.best), step.n_steps

    last = {}
    run(Watched(**vars(method)), picture, callback=read, check_every=EVERY)
    best = max(scores, key=scores.get)
    return scores[default], (scores[best], best), [ruled.get(p, last["rule"]) for p in PATIENCES]


def alone(method, picture, truth):
    """PSNR of a method."""
    return js.metrics.psnr(js.smooth(picture, method), truth)


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
        "dip-l0 from it": DRAWN,
        "structure-texture": VARIANTS["structure-texture"],
        "dip-l0": DEFAULT,
    }
    columns = ["input", "dip", "oracle", *rules, *others]
    print("| picture | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    totals = []
    for name in given.names:
        picture, truth = load(given.folder, name, given.crop)
        default, (oracle, step), ruled = network_alone(picture, truth, given.steps)
        row = [js.metrics.psnr(picture, truth), default, oracle, *(score for score, _ in ruled)]
        row += [alone(method, picture, truth) for method in others.values()]
        totals.append(row)
        at = dict(zip(["oracle", *rules], [step, *(n for _, n in ruled)], strict=True))
        cells = [
            f"{score:.2f}" + (f" ({at[c]})" if c in at else "") for c, score in zip(columns, row, strict=True)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("| mean | " + " | ".join(f"{score:.2f}" for score in np.mean(totals, axis=0)) + " |")


if __name__ == "__main__":
    main()
