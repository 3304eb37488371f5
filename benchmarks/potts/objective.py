"""The Potts energy of a picture in any number of bands: benchopt run benchmarks/potts

    ‖u − f‖² + weight · (number of pairs of 4-neighbours that differ)

The value is this energy over that of f itself: 1 for doing nothing. Nonconvex: no solver is sure to reach the
least, and curves end at different heights. The best seen is the benchmark.
"""

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "Potts"
    min_benchopt_version = "1.6"
    parameters = {"weight": [0.005, 0.02]}
    test_config = {"dataset": {"name": "Synthetic", "height": 24, "width": 32}}

    def set_data(self, picture):
        self.picture = np.asarray(picture, dtype=np.float64)  # (H, W, C)
        self.start = self._energy(self.picture)

    def get_objective(self):
        return {"picture": self.picture, "weight": self.weight}

    def evaluate_result(self, u):
        return {"value": self._energy(np.asarray(u, dtype=np.float64)) / self.start}

    def get_one_result(self):
        return {"u": self.picture}

    def _energy(self, u):
        jumps = (u[1:] != u[:-1]).any(-1).sum() + (u[:, 1:] != u[:, :-1]).any(-1).sum()
        return np.sum((u - self.picture) ** 2) + self.weight * jumps
