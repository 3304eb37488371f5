import cv2
import numpy as np
from benchopt import BaseSolver


class Solver(BaseSolver):
    """Of a kindred energy (pixels that jump, not pairs); never quite flat, which this energy sees."""

    name = "OpenCV l0Smooth"
    sampling_strategy = "run_once"
    requirements = ["pip::opencv-contrib-python-headless"]

    def set_objective(self, picture, weight):
        self.picture, self.weight = np.rint(255 * picture).astype(np.uint8), weight

    def run(self, _):
        self.u = cv2.ximgproc.l0Smooth(self.picture, None, self.weight, 2.0)

    def get_result(self):
        return {"u": self.u / 255}
