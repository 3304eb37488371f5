"""pycut-pursuit needs numpy < 2 and runs in a separate Python, which PYCUT_PYTHON names:

python -m venv cut && cut/bin/pip install "numpy<2" pycut-pursuit && export PYCUT_PYTHON=$PWD/cut/bin/python
"""

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from benchopt import BaseSolver

WORKER = Path(__file__).parents[1] / "cut_pursuit_worker.py"


class Solver(BaseSolver):
    """Cut pursuit, in float32, on two threads."""

    name = "pycut-pursuit"
    sampling_strategy = "run_once"

    def skip(self, image, weight):
        ready = "PYCUT_PYTHON" in os.environ
        return (False, None) if ready else (True, "PYCUT_PYTHON does not name a Python with pycut-pursuit")

    def set_objective(self, image, weight):
        self.image = image
        self.folder = tempfile.TemporaryDirectory()
        source, self.answer = Path(self.folder.name) / "image.npy", Path(self.folder.name) / "answer.npy"
        np.save(source, image)
        command = [os.environ["PYCUT_PYTHON"], str(WORKER), str(source), str(weight), str(self.answer)]
        self.worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._expect("ready")

    def _expect(self, word):
        for line in self.worker.stdout:
            if line.split()[:1] == [word]:  # the library may print other lines
                break
        else:
            raise RuntimeError(f"pycut-pursuit has ended with exit code {self.worker.wait()}")

    def run(self, _):
        self.worker.stdin.write("go\n")
        self.worker.stdin.flush()
        self._expect("done")

    def get_result(self):
        labels = np.load(self.answer)
        flat, size = labels.ravel(), np.bincount(labels.ravel())
        bands = self.image.reshape(flat.size, -1).T
        means = np.stack([np.bincount(flat, band) / np.maximum(size, 1) for band in bands], -1)
        return {"u": means[labels]}

    def __del__(self):
        if hasattr(self, "worker"):
            self.worker.kill()
            self.worker.wait()
