"""Mutation run: plant each fault of `table.py` in a copy of src and demand that its test fails.

`make mutants` runs them all; `python tests/mutants/run.py WORD` those whose file or test contains WORD. It exits
with 1 if a fault lives, if a test fails without a fault, or if the table does not fit the source.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from table import MUTANTS, Mutant  # beside this file, which is run as a script

TESTS = Path(__file__).parents[1]
WORKERS = 2  # of one core each
LIMIT = 300  # seconds for one mutant


def run_tests(source: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests against the package in a folder; pytest's exit code and its output."""
    variables = {
        "PYTHONPATH": str(source),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(source.parent / "hypothesis"),  # failures here are wanted
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-qq", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=TESTS, env=os.environ | variables, capture_output=True, text=True, timeout=LIMIT
    )
    return done.returncode, done.stdout + done.stderr


def drop_compiled(package: Path, file: Path) -> None:
    """Remove Numba's caches of the modules that import ``file``, directly or not.

    Numba notices a change in the module of a compiled function, but not in those of the functions it calls.
    """
    changed = {file.stem}
    modules = {path: path.read_text() for path in package.glob("kernels/**/*.py")}
    while True:
        name = re.compile(rf"^(?:from|import) .*\b(?:{'|'.join(changed)})\b", re.MULTILINE)
        found = changed | {path.stem for path, text in modules.items() if name.search(text)}
        if found == changed:
            break
        changed = found
    for path in modules:
        if path.stem in changed:
            for cache in path.parent.glob(f"__pycache__/{path.stem}.*.nb[ci]"):
                cache.unlink()


def try_mutant(original: Path, mutant: Mutant) -> tuple[str, float]:
    """``"killed"``, ``"LIVES"`` or what went wrong, and the seconds it took."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(original, source)  # keeps the files' times, on which Numba's caches depend
        file = source / "jumpset" / mutant.file
        file.write_text(file.read_text().replace(mutant.old, mutant.new))
        drop_compiled(source / "jumpset", file)
        try:
            code, output = run_tests(source, [mutant.test])
        except subprocess.TimeoutExpired:
            code, output = -1, f"more than {LIMIT} s"
    verdict = {0: "LIVES", 1: "killed"}.get(code, f"ERROR {output}\n")
    return verdict, time.monotonic() - start


def main() -> int:
    """Print one row a mutant; return the exit code."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    mutants = [mutant for mutant in MUTANTS if word in mutant.file or word in mutant.test]
    if not mutants:
        sys.exit(f"no mutant has {word!r} in its file or test")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "src"
        shutil.copytree(TESTS.parent / "src", original)
        for mutant in mutants:
            count = (original / "jumpset" / mutant.file).read_text().count(mutant.old)
            if count != 1:
                sys.exit(f"{mutant.file} contains {mutant.old!r} {count} times; update table.py")
        # also compiles, so that the copies need not
        tests = sorted({mutant.test for mutant in mutants})
        code, output = run_tests(original, ["-n", str(WORKERS), *tests])
        if code != 0:
            sys.exit(f"without a mutant:\n{output}")
        with ThreadPoolExecutor(WORKERS) as pool:
            verdicts = pool.map(lambda mutant: try_mutant(original, mutant), mutants)
            for mutant, (verdict, seconds) in zip(mutants, verdicts, strict=True):
                bad += verdict != "killed"
                change = mutant.new.strip().splitlines()[0]
                sys.stdout.write(f"{verdict:7} {seconds:5.1f} s  {mutant.file:40} {change}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{len(mutants) - bad} of {len(mutants)} killed\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
