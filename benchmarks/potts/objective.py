"""Potts energy of an image with any number of channels: benchopt run benchmarks/potts

    ‖u − f‖² + weight · (number of pairs of 4-neighbours that differ)

The value is this energy divided by that of f, so the input has the value 1. The energy is nonconvex: no
solver is sure to reach the minimum, and curves end at different values. Accuracies refer to the lowest
value of any solver.
"""

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "Potts"
    min_benchopt_version = "1.6"
    parameters = {"weight": [0.005, 0.02]}
    test_config = {"dataset": {"name": "Synthetic", "height": 24, "width": 32}}

    def set_data(self, image):
        self.image = np.asarray(image, dtype=np.float64)  # (H, W, C)
        self.start = self._energy(self.image)

    def get_objective(self):
        return {"image": self.image, "weight": self.weight}

    def evaluate_result(self, u):
        return {"value": self._energy(np.asarray(u, dtype=np.float64)) / self.start}

    def get_one_result(self):
        return {"u": self.image}

    def _energy(self, u):
        jumps = (u[1:] != u[:-1]).any(-1).sum() + (u[:, 1:] != u[:, :-1]).any(-1).sum()
        return np.sum((u - self.image) ** 2) + self.weight * jumps
