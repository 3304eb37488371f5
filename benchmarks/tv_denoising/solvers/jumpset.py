from benchopt import BaseSolver

import jumpset as js


class Solver(BaseSolver):
    """jumpset's accelerated dual method with restarts."""

    name = "jumpset"
    sampling_strategy = "iteration"
    requirements = ["pip::jumpset"]

    def set_objective(self, image, weight, isotropic):
        self.image, self.weight, self.isotropic = image, weight, isotropic

    def warm_up(self):
        self.run_once(2)  # compiles

    def run(self, n_iter):
        method = js.method(
            "tv", weight=self.weight, isotropic=self.isotropic, tol=1e-12, max_steps=int(n_iter)
        )
        self.u = js.run(self.image, method, value_range=(0.0, 1.0)).image

    def get_result(self):
        return {"u": self.u}
