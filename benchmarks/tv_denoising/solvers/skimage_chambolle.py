from benchopt import BaseSolver
from skimage.restoration import denoise_tv_chambolle


class Solver(BaseSolver):
    """Chambolle's projection, without its own stopping rule."""

    name = "scikit-image Chambolle"
    sampling_strategy = "iteration"
    requirements = ["pip::scikit-image"]

    def skip(self, image, weight, isotropic):
        return (False, None) if isotropic else (True, "isotropic only")

    def set_objective(self, image, weight, isotropic):
        self.image, self.weight = image, weight

    def run(self, n_iter):
        self.u = denoise_tv_chambolle(
            self.image, weight=self.weight, eps=0.0, max_num_iter=max(1, int(n_iter))
        )

    def get_result(self):
        return {"u": self.u}
