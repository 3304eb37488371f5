import prox_tv
from benchopt import BaseSolver


class Solver(BaseSolver):
    """Solves rows and columns exactly and combines them by a splitting."""

    name = "prox_tv"
    sampling_strategy = "iteration"
    requirements = ["pip::prox_tv"]
    parameters = {"splitting": ["dr", "pd"]}

    def skip(self, image, weight, isotropic):
        return (True, "anisotropic only") if isotropic else (False, None)

    def set_objective(self, image, weight, isotropic):
        self.image, self.weight = image, weight

    def run(self, n_iter):
        # 0 iterations would mean prox_tv's own default
        self.u = prox_tv.tv1_2d(
            self.image, self.weight, n_threads=2, max_iters=max(1, int(n_iter)), method=self.splitting
        )

    def get_result(self):
        return {"u": self.u}
