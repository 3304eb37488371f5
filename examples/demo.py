"""The main job on a real photograph: smooth it without training data, and show what happened.

    python examples/demo.py [OUT]

Runs the deep image prior with the l0 gradient regulariser, and three fast classical methods beside it, on a
photograph that ships with the package (coffee, 600×400, CC0). Writes OUT/smoothed.png and OUT/report.html;
OUT is out/demo unless given.
"""

import sys
import time
from pathlib import Path

import jumpset as js

METHODS = {
    "dip-l0": {"preset": "fast"},
    "region-fusion": {"weight": 0.02},
    "l0": {"weight": 0.02},
    "tv": {"weight": 0.1},
}


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")
    out.mkdir(parents=True, exist_ok=True)
    picture = js.datasets.coffee()

    results = {}
    for name, settings in METHODS.items():
        method = js.method(name, **settings)
        began = time.monotonic()

        def show(step, name=name, began=began):
            if sys.stderr.isatty():
                seconds = time.monotonic() - began
                print(
                    f"\r{name:14s} step {step.n_steps} of {step.max_steps}, {seconds:.0f} s",
                    end="",
                    file=sys.stderr,
                )

        results[name] = js.run(method, picture, callback=show)
        print(f"\r{name:14s} {results[name].n_steps} steps, {results[name].elapsed:.1f} s    ", flush=True)

    js.io.write_picture(out / "smoothed.png", results["dip-l0"].image)
    js.report.write_report(
        out / "report.html", results, picture=picture, name="coffee.png", command="python examples/demo.py"
    )
    print(f"smoothed picture: {out / 'smoothed.png'}\nreport:           {out / 'report.html'}")


if __name__ == "__main__":
    main()
