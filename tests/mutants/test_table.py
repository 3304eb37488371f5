"""Each row of the table of mutants fits the source: checked here in no time, run by `make mutants`."""

import runpy
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MUTANTS = runpy.run_path(str(Path(__file__).with_name("table.py")))["MUTANTS"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}:{mutant.new.strip()}")
def test_each_row_fits_the_source(mutant):
    source = (TESTS.parent / "src" / "jumpset" / mutant.file).read_text()
    assert source.count(mutant.old) == 1, "the source has changed: update tests/mutants/table.py"
    assert mutant.new != mutant.old
    file, function = mutant.test.split("::")
    assert f"def {function}(" in (TESTS / file).read_text()
