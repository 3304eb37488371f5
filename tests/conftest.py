"""Settings of the whole test run."""

import os

import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core: more threads would only wait for each other
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def one_thread():
    """Pictures and networks as small as those of tests only make threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
