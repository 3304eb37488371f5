"""Time the 1-D Potts solver, iterative proximal operators and the solvers on a photograph of scikit-image.

Run on an idle machine: python benchmarks/convex_times.py [--size 256] [--repeats 3]
"""

import argparse
import statistics
import time

import numpy as np
import torch
from skimage import color, data, transform

import jumpset as js
from jumpset.kernels.regions.potts_1d import potts_lines


def measured(run, repeats):
    run()  # compiles and warms up
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), max(seconds) - min(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    size, rng = options.size, np.random.default_rng(0)
    colour = transform.resize(data.astronaut(), (size, size), anti_aliasing=True)
    noisy = colour + 0.1 * rng.standard_normal(colour.shape)
    v = torch.from_numpy(color.rgb2gray(noisy))[None, None]
    blur = js.solvers.Blur(torch.ones(7, 7, dtype=torch.float64) / 49)
    blurred = blur(v)
    mask = js.solvers.Mask(torch.from_numpy(rng.random((size, size)) > 0.6))
    tv = js.TotalVariation()
    cases = {
        "1-D Potts, l2, RGB rows, weight .2": lambda: potts_lines(noisy, 0.2),
        "1-D Potts, l1, RGB rows, weight 1": lambda: potts_lines(noisy, 1.0, data="l1"),
        "prox TGV2, tau .08, gap 1e-3": lambda: js.penalties.TGV2().prox(v, 0.08),
        "prox AITV, tau .12": lambda: js.penalties.AITV().prox(v, 0.12),
        "prox LatentGroups(4), tau .5": lambda: js.penalties.LatentGroups(4).prox(v - 0.5, 0.5),
        "PDHG, TV, 7x7 blur, 300 steps": lambda: js.run(
            blurred, js.solvers.PDHG(tv, 1e-3, blur, tol=1e-9, max_steps=300)
        ),
        "FISTA, TV, 7x7 blur, 20 steps": lambda: js.run(
            blurred, js.solvers.FISTA(tv, 1e-3, blur, tol=1e-9, max_steps=20)
        ),
        "ADMM, TV, 40 % of pixels, 20 steps": lambda: js.run(
            mask(v), js.solvers.ADMM(tv, 1e-2, mask, tol=1e-9, max_steps=20)
        ),
    }
    print(f"{size} x {size}, {torch.get_num_threads()} threads")
    for name, run in cases.items():
        median, spread = measured(run, options.repeats)
        print(f"{name:40s}{median:9.3f} s  spread {spread:.3f}")


if __name__ == "__main__":
    main()
