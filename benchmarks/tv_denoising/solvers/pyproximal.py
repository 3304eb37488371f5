import pyproximal
from benchopt import BaseSolver


class Solver(BaseSolver):
    """Fast gradient projection, without its own stopping rule."""

    name = "pyproximal"
    sampling_strategy = "iteration"
    requirements = ["pip::pyproximal"]

    def skip(self, image, weight, isotropic):
        return (False, None) if isotropic else (True, "isotropic only")

    def set_objective(self, image, weight, isotropic):
        self.image, self.weight = image, weight

    def run(self, n_iter):
        operator = pyproximal.TV(dims=self.image.shape, niter=max(1, int(n_iter)), rtol=0.0)
        self.u = operator.prox(self.image.ravel(), self.weight).reshape(self.image.shape)

    def get_result(self):
        return {"u": self.u}
