"""Make the figure at the top of the README: the photograph, region fusion and dip-l0, side by side.

python examples/readme_picture.py [OUT]
"""

import sys

import numpy as np

import jumpset as js

GAP = 6  # white pixels between the panels


def main() -> None:
    """Smooth the middle of the photograph twice and join the panels."""
    out = sys.argv[1] if len(sys.argv) > 1 else "docs/pictures/coffee.png"
    image = js.datasets.coffee()
    panels = [
        image,
        js.smooth(image, "region-fusion", weight=0.02),
        js.smooth(image, "dip-l0", preset="fast"),
    ]
    middle = [panel[:, 170:490] for panel in panels]
    gap = np.full((image.shape[0], GAP, 3), 255, dtype=np.uint8)
    js.io.write_picture(out, np.concatenate([middle[0], gap, middle[1], gap, middle[2]], axis=1))


if __name__ == "__main__":
    main()
