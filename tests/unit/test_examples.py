"""The classes that the page "Add a method or a penalty" shows keep the promises of their base classes."""

from pathlib import Path

import numpy as np
import pytest
import torch

import jumpset as js

GALLERY = Path(__file__).parents[2] / "examples" / "gallery"


def shown(file, name):
    """The class as the page shows it: the part of a gallery program before its first cell."""
    code = (GALLERY / file).read_text(encoding="utf-8").partition("\n# %%")[0]
    names = {"__name__": "__main__"}
    exec(
        compile(code.replace("import matplotlib.pyplot as plt\n", ""), file, "exec", dont_inherit=True), names
    )
    return names[name]


@pytest.fixture(scope="module")
def smoother():
    return shown("plot_11_new_smoother.py", "PeronaMalik")


def test_smoother(smoother):
    image = np.random.default_rng(0).random((12, 9, 3), dtype=np.float32)
    result = js.run(image, smoother(weight=3.0))
    assert result.status is js.Status.CONVERGED
    assert result.n_steps == 15
    np.testing.assert_allclose(result.image.mean((0, 1)), image.mean((0, 1)), atol=1e-6)
    roughness = [np.abs(np.diff(js.smooth(image, smoother(weight=w)), axis=0)).sum() for w in (0.0, 1.0, 9.0)]
    assert roughness[0] > roughness[1] > roughness[2]
    np.testing.assert_array_equal(js.smooth(image, smoother(weight=0.0)), image)


def test_one_step_of_the_smoother(smoother):
    """A step of height κ has the flow κ/2; the time is 0.2."""
    row = np.float64([[0.0, 0.0, 0.05, 0.05]])
    out = js.run(row, smoother(weight=0.2, contrast=0.05)).image
    np.testing.assert_allclose(out, [[0.0, 0.005, 0.045, 0.05]], atol=1e-12)


def test_penalty():
    penalty = shown("plot_09_new_penalty.py", "AcrossColumns")()
    x = torch.tensor([[0.0, 1.0, 3.0], [5.0, 5.0, 4.0]], dtype=torch.float64)[None, None].requires_grad_()
    assert penalty.value(x).tolist() == [4.0]
    assert penalty.value(x, mask=torch.tensor([True, True, False])).tolist() == [1.0]
    assert torch.autograd.gradcheck(penalty.value, (x + torch.arange(3) / 7,))
    np.testing.assert_allclose(penalty.value(x.detach().numpy()), [4.0])
