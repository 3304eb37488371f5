"""Completion in shells: names of methods, presets and parameters, without torch."""

import os
import shutil
import subprocess
import sys

import pytest

from jumpset._core.catalog import CLASSES
from jumpset.cli import _complete

CODE = (
    "import atexit, sys\nfrom jumpset.__main__ import main\n"
    "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\nmain()"
)


def complete(shell, line):
    words = line.split(" ")
    environment = os.environ | {
        "_JUMPSET_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment)
    assert done.stderr.splitlines()[-1] == "False"  # torch
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells(shell):
    found = complete(shell, "jumpset smooth a.png b.png --method re")
    assert "region-fusion" in found
    assert "resnet" in found
    assert "rtv" not in found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jumpset smooth a b -m gsf --set data_r", ["data_radius="]),
        ("jumpset smooth a b -m l0 --preset ", ["paper", "sharp", "clip-art"]),
        ("jumpset compare a --methods tv,fg", ["tv,fgs"]),
        ("jumpset tra", ["train"]),
    ],
)
def test_lines(line, expected):
    assert complete("bash", line).split() == expected


def test_lists_of_methods():
    assert _complete.method_lists("") == list(CLASSES)
    assert _complete.method_lists("tv,l0:sh") == ["tv,l0:sharp"]
    assert _complete.method_lists("l0:sharp:we") == ["l0:sharp:weight="]
    assert _complete.method_lists("nothing:we") == []
    assert _complete.network_names("dej") == ["dejpeg"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_after_install_completion(tmp_path):
    """As a user of the installed program: install, start a shell, press the tabulator."""
    program = tmp_path / "bin" / "jumpset"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jumpset "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    press = "COMP_WORDS=(jumpset smooth a b -m region); COMP_CWORD=5; _jumpset_completion jumpset"
    for line in (
        "jumpset --install-completion; true",
        f'. ~/.bashrc; {press}; echo "found ${{COMPREPLY[0]}}"',
    ):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "found region-fusion"
