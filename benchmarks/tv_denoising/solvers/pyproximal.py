import pyproximal
from benchopt import BaseSolver


class Solver(BaseSolver):
    """Fast gradient projection, without its own stopping rule."""

    name = "pyproximal"
    sampling_strategy = "iteration"
    requirements = ["pip::pyproximal"]

    def skip(self, picture, weight, isotropic):
        return (False, None) if isotropic else (True, "isotropic only")

    def set_objective(self, picture, weight, isotropic):
        self.picture, self.weight = picture, weight

    def run(self, n_iter):
        operator = pyproximal.TV(dims=self.picture.shape, niter=max(1, int(n_iter)), rtol=0.0)
        self.u = operator.prox(self.picture.ravel(), self.weight).reshape(self.picture.shape)

    def get_result(self):
        return {"u": self.u}
