"""The kernels for CUDA by triton's interpreter, against those of the CPU; no GPU is needed."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import jumpset

SCRIPT = """
import itertools
import torch
from jumpset.kernels.values import l1, l1_triton, sliding_groups, sliding_groups_triton
torch.manual_seed(0)
profiles = [("identity", 1.0), ("log", 0.2), ("mcp", 0.7), ("lp", 0.5), ("charbonnier", 0.1)]
several = [((1, 1, 1, 1), torch.float64), ((2, 3, 5, 7), torch.float32), ((2, 3, 5, 7), torch.float64),
           ((1, 1, 23, 40), torch.float32)]
for shape, dtype in several:
    x = torch.randn(shape, dtype=dtype)
    x[..., :2] = 0
    tol = {"rtol": 1e-11, "atol": 1e-11} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 5e-5}
    ours = l1_triton.value_and_gradient(x, 0.3, True)
    torch.testing.assert_close(ours, l1._value_and_gradient(x, 0.3, True), **tol)
    value, nothing = l1_triton.value_and_gradient(x, 0.3, False)
    assert torch.equal(value, ours[0]) and nothing.numel() == 0
    cases = itertools.product([[2, 3]], profiles[: 1 if shape[3] == 40 else 5], [True, False])
    for window, (phi, parameter), joint in cases:
        settings = (phi, parameter, joint, 0.3)
        reach = sliding_groups._reach(window, *shape[2:])
        ours = sliding_groups_triton.value_and_gradient(x, reach, *settings, True)
        theirs = sliding_groups.value_and_gradient(x, window, *settings, True)
        torch.testing.assert_close(ours, theirs, **tol)
value, nothing = sliding_groups_triton.value_and_gradient(x, reach, *settings, False)
assert torch.equal(value, ours[0]) and nothing.numel() == 0
broken = torch.randn(2, 1, 6, 6)
broken[1, 0, 2, 2] = torch.nan
for phi, parameter in profiles:
    value, _ = sliding_groups_triton.value_and_gradient(broken, (1, 1, 1, 1), phi, parameter, True, 1.0, False)
    assert torch.isfinite(value).tolist() == [True, False]
assert torch.isfinite(l1_triton.value_and_gradient(broken, 1.0, True)[0]).tolist() == [True, False]
print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_kernels_in_the_interpreter():
    path = os.pathsep.join(
        filter(None, [str(Path(jumpset.__file__).parents[1]), os.environ.get("PYTHONPATH")])
    )
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "equal", run.stderr
