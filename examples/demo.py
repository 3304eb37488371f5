"""Smooth a photograph without training data, and write a report.

    python examples/demo.py [OUT]

Runs the deep image prior with the l0 gradient and three fast classical methods on a photograph that comes
with the package (coffee, 600×400, CC0). Writes OUT/smoothed.png and OUT/report.html; the default of OUT is
out/demo.
"""

import sys
import time
from functools import partial
from pathlib import Path

import jumpset as js

METHODS = {
    "dip-l0": {"preset": "fast"},
    "region-fusion": {"weight": 0.02},
    "l0": {"weight": 0.02},
    "tv": {"weight": 0.1},
}


def show(name: str, began: float, step: js.running.Step) -> None:
    """Update one line of progress if the output is a terminal."""
    if sys.stderr.isatty():
        seconds = time.monotonic() - began
        print(
            f"\r{name:14s} step {step.n_steps} of {step.max_steps}, {seconds:.0f} s", end="", file=sys.stderr
        )


def main() -> None:
    """Run the methods, write the smoothed image and the report, and print their paths."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")
    out.mkdir(parents=True, exist_ok=True)
    image = js.datasets.coffee()

    results = {}
    for name, settings in METHODS.items():
        callback = partial(show, name, time.monotonic())
        results[name] = js.run(image, js.method(name, **settings), callback=callback)
        print(
            f"\r{name:14s} {results[name].n_steps:4d} steps, {results[name].elapsed:5.1f} s      ", flush=True
        )

    smoothed, report = out / "smoothed.png", out / "report.html"
    js.io.write_picture(smoothed, results["dip-l0"].image)
    command = "python examples/demo.py"
    js.report.write_report(report, results, picture=image, name="coffee.png", command=command)
    print(f"smoothed image: {smoothed}\nreport:         {report}")


if __name__ == "__main__":
    main()
