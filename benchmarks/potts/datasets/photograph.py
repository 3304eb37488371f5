import numpy as np
from benchopt import BaseDataset

import jumpset as js


class Dataset(BaseDataset):
    """The photograph that comes with jumpset."""

    name = "Photograph"
    requirements = ["pip::jumpset"]

    def get_data(self):
        return {"image": js.datasets.coffee().astype(np.float64) / 255}
