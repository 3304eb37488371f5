"""Settings of the whole test run."""

import os

import torch

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core: more threads would only wait for each other
    torch.set_num_threads(1)
