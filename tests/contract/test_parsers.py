"""Files with changed bytes are read, or refused with ``InputError``: never a crash, a hang or all of the memory."""

import subprocess
import sys
from pathlib import Path

import pytest

COPIES = 300  # of each kind


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is that of Linux")
def test_changed_bytes():
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            Path(__file__).with_name("mutated_files.py"),
            "0",
            str(COPIES),
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{lines[-1:]}\n{done.stderr[-3000:]}"
    assert lines[-1].endswith(" refused")
