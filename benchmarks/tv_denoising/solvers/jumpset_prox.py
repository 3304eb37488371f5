import torch
from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion

import jumpset as js


class Solver(BaseSolver):
    """jumpset's proximal operator to a duality gap; anisotropic: exact solves of rows and columns."""

    name = "jumpset prox"
    # the first readings may be equal: the gap is a bound, which is often far above the error
    stopping_criterion = SufficientProgressCriterion(strategy="tolerance", patience=6)
    requirements = ["pip::jumpset"]

    def set_objective(self, image, weight, isotropic):
        self.image, self.weight = torch.from_numpy(image)[None, None], weight
        self.penalty = js.TotalVariation(isotropic=isotropic)

    def get_next(self, tolerance):
        return min(tolerance, 1.0) / 10  # the first tolerance is infinite

    def warm_up(self):
        self.run_once(0.1)  # compiles

    def run(self, tolerance):
        gap = min(max(tolerance, 1e-10), 0.5)
        self.u = self.penalty.prox_solution(self.image, self.weight, tol=gap, max_steps=100_000).image

    def get_result(self):
        return {"u": self.u[0, 0].numpy()}
