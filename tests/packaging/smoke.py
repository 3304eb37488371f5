"""What a user meets first, of an installed package: `make wheel` runs this where no source tree can be found.

``python -I smoke.py`` tests an installation without extras, ``python -I smoke.py all`` one with ``[all]``.
"""

import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import jumpset as js


def check_files():
    package = Path(js.__file__).parent
    assert Path(sys.prefix) in package.parents, f"{package} is not the installed package"
    assert version("jumpset") == js.__version__
    for name in ("py.typed", "__init__.pyi", "datasets/pictures/LICENSE.md", "learned/shipped/CARDS.md"):
        assert (package / name).exists(), f"{name} is missing"


def check_arrays():
    step = np.zeros((15, 18), np.float32)
    step[:, 7:] = 0.8
    noisy = step + np.random.default_rng(0).uniform(-0.02, 0.02, step.shape).astype(np.float32)
    flat = js.smooth(noisy, method="region-fusion", weight=0.02)
    assert flat.dtype == np.float32
    assert len(np.unique(flat)) == 2
    assert np.abs(flat - step).max() < 0.01
    x = torch.full((2, 1, 8, 9), 0.5, requires_grad=True)
    loss = js.PenaltyLoss(js.TotalVariation(), weight=1.0)(x)
    loss.backward()
    assert loss.item() == 0.0


def check_without_extras():
    done = run("--version")
    assert done.returncode == 2, done
    assert "jumpset[cli]" in done.stderr, done.stderr


def check_extras():
    image = js.datasets.coffee()[:48, :40]
    trained = sorted(
        path.stem for path in (Path(js.__file__).parent / "learned" / "shipped").glob("*.safetensors")
    )
    assert len(trained) >= 6, trained
    warnings.filterwarnings("ignore", "no JPEG grid was found")
    for name in trained:
        out = js.smooth(image, method=name)
        assert out.shape == image.shape, name
        # without a JPEG grid, dejpeg has nothing to restore
        assert name == "dejpeg" or not np.array_equal(out, image), name
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.png")
        js.io.write_picture(source, image)
        done = run("smooth", str(source), str(target), "--method", "region-fusion", "--weight", "0.002")
        assert done.returncode == 0, done
        expected = js.smooth(image, method="region-fusion", weight=0.002)
        assert np.array_equal(js.io.read_picture(target).pixels, expected)


def run(*arguments):
    program = Path(sys.executable).with_name("jumpset")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300)


if __name__ == "__main__":
    check_files()
    check_arrays()
    check_extras() if sys.argv[1:] == ["all"] else check_without_extras()
    sys.stdout.write(f"jumpset {js.__version__} works as installed in {sys.prefix}\n")
