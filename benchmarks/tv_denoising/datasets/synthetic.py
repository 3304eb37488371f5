import numpy as np
from benchopt import BaseDataset

import jumpset as js


class Dataset(BaseDataset):
    """Flat shapes with white noise."""

    name = "Synthetic"
    requirements = ["pip::jumpset"]
    parameters = {"height, width": [(288, 384)], "sigma": [0.1]}

    def get_data(self):
        gray = js.datasets.shapes(self.height, self.width, channels=1, seed=0).astype(np.float64)
        return {"image": js.datasets.add_noise(gray, self.sigma, seed=0)}
