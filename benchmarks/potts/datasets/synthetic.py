import numpy as np
from benchopt import BaseDataset

import jumpset as js


class Dataset(BaseDataset):
    """Flat shapes under a texture."""

    name = "Synthetic"
    requirements = ["pip::jumpset"]
    parameters = {"height, width": [(288, 384)]}

    def get_data(self):
        return {"image": js.datasets.textured(self.height, self.width, seed=0)[0].astype(np.float64)}
