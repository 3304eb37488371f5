import numpy as np
from benchopt import BaseDataset

import jumpset as js


class Dataset(BaseDataset):
    """The photograph that comes with jumpset, gray, with white noise."""

    name = "Photograph"
    requirements = ["pip::jumpset"]
    parameters = {"sigma": [0.1]}

    def get_data(self):
        gray = js.datasets.coffee().astype(np.float64).mean(-1) / 255
        return {"image": js.datasets.add_noise(gray, self.sigma, seed=0)}
