from benchopt import BaseSolver
from skimage.restoration import denoise_tv_bregman


class Solver(BaseSolver):
    """Split Bregman; its weight, of the fidelity, is 1 / weight. Isotropic, it ends above the optimum."""

    name = "scikit-image Bregman"
    sampling_strategy = "iteration"
    requirements = ["pip::scikit-image"]

    def set_objective(self, image, weight, isotropic):
        self.image, self.weight, self.isotropic = image, weight, isotropic

    def run(self, n_iter):
        self.u = denoise_tv_bregman(
            self.image,
            weight=1 / self.weight,
            eps=0.0,
            max_num_iter=max(1, int(n_iter)),
            isotropic=self.isotropic,
        )

    def get_result(self):
        return {"u": self.u}
