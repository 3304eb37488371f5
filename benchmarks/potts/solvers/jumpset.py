from benchopt import BaseSolver

import jumpset as js

METHODS = {
    "region-fusion": {},
    "region-fusion, 10 levels": {"levels": 10},
    "potts-descent": {},
    "potts-descent, one step": {"n_steps": 1},
    "potts": {},
}


class Solver(BaseSolver):
    """Region merging, descent of the energy, and ADMM; each stops by its own rule and gives one point."""

    name = "jumpset"
    sampling_strategy = "run_once"
    requirements = ["pip::jumpset"]
    parameters = {"method": list(METHODS)}

    def set_objective(self, image, weight):
        self.image = image
        self.iteration = js.method(self.method.partition(",")[0], weight=weight, **METHODS[self.method])

    def warm_up(self):
        self.run_once()  # compiles

    def run(self, _):
        self.u = js.run(self.image, self.iteration, value_range=(0.0, 1.0)).image

    def get_result(self):
        return {"u": self.u}
