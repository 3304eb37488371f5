import numpy as np
from benchopt import BaseDataset

import jumpset as js


class Dataset(BaseDataset):
    """The photograph that ships with jumpset."""

    name = "Photograph"
    requirements = ["pip::jumpset"]

    def get_data(self):
        return {"picture": js.datasets.coffee().astype(np.float64) / 255}
