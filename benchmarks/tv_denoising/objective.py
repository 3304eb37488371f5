"""Total variation denoising of a gray image: benchopt run benchmarks/tv_denoising

    ½ ‖u − f‖² + weight · TV(u),  forward differences, zero across the border

The value is this energy divided by that of f, so the input has the value 1 and images and weights can be
compared.
"""

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "Total variation denoising"
    min_benchopt_version = "1.6"
    parameters = {"weight": [0.1], "isotropic": [True, False]}
    test_config = {"dataset": {"name": "Synthetic", "height": 24, "width": 32}}

    def set_data(self, image):
        self.image = np.asarray(image, dtype=np.float64)
        self.start = self._energy(self.image)

    def get_objective(self):
        return {"image": self.image, "weight": self.weight, "isotropic": self.isotropic}

    def evaluate_result(self, u):
        return {"value": self._energy(np.asarray(u, dtype=np.float64)) / self.start}

    def get_one_result(self):
        return {"u": self.image}

    def _energy(self, u):
        down, right = np.zeros((2, *u.shape))
        down[:-1], right[:, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
        length = np.hypot(down, right) if self.isotropic else abs(down) + abs(right)
        return 0.5 * np.sum((u - self.image) ** 2) + self.weight * length.sum()
