# The verbs of this project. `make demo` and `make test` need nothing but Python >= 3.10 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints-dev.txt
INPUTS := pyproject.toml constraints-dev.txt

# `peers` adds the libraries that some tests compare with.
.PHONY: demo test test-all mutants peers lint fmt type bench races notebooks docs wheel release lowest clean

# One stamp for the package alone, one for what tests need, one for what linters need.
$(VENV)/.installed: $(INPUTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(PIP) --editable ".[cli,learned,plots]"
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) --group test
	@touch $@

$(VENV)/.peers: $(VENV)/.test
	$(PIP) --group peers
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PIP) --group lint
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

# Plants faults in a copy of the source, one at a time; the tests must notice each. A few minutes on two cores.
mutants: $(VENV)/.test
	$(BIN)/python tests/mutants/run.py

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(VENV)/.lint
	$(BIN)/pyright

peers: $(VENV)/.peers

# The table and the plot of the page "Benchmarks", on the pictures that ship: under half an hour on two cores.
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/readme_table.py

# Against other packages, where these are installed; benchmarks/README.md has more.
races: $(VENV)/.peers
	for race in benchmarks/*_race.py; do $(BIN)/python $$race || exit 1; done

# Executes the notebooks and stores their outputs, which the pages show.
notebooks: $(VENV)/.peers
	$(BIN)/python examples/run_notebooks.py

$(VENV)/.docs: $(VENV)/.installed
	$(PIP) --group docs
	@touch $@

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -j auto -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

$(VENV)/.release: $(VENV)/.installed
	$(PIP) --group release
	@touch $@

# The wheel and the source archive; both environments of the smoke test hold the wheel and no source tree.
wheel: $(VENV)/.release
	rm -rf dist build
	$(BIN)/python -m build --quiet
	$(PYTHON) -m venv build/env
	build/env/bin/python -m pip install --quiet --constraint constraints-dev.txt dist/*.whl
	build/env/bin/python -I tests/packaging/smoke.py
	build/env/bin/python -m pip install --quiet --constraint constraints-dev.txt "$$(echo dist/*.whl)[all]"
	build/env/bin/python -I tests/packaging/smoke.py all

# What a release publishes: the archives, the bill of materials of `[all]` (CycloneDX) and the checksums.
release: wheel
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-file dist/sbom.cdx.json build/env/bin/python
	cd dist && sha256sum * > SHA256SUMS

# The fast tests with the lowest versions that pyproject.toml accepts, on the lowest Python: minutes, and gigabytes
# where the index has no CPU build of the lowest torch. That torch refuses to export a prox by an error of its own.
lowest: $(VENV)/.release
	rm -rf build/lowest
	$(BIN)/uv venv --quiet --python 3.10 build/lowest
	VIRTUAL_ENV=build/lowest $(BIN)/uv pip install --quiet --resolution lowest-direct --editable ".[all,onnx]" --group test
	build/lowest/bin/python -m pytest -n auto -m "not slow" -k "not test_closed_proxes_are_exported" \
		--ignore tests/unit/test_examples.py

clean:
	rm -rf $(VENV) out build dist docs/_build docs/generated .pytest_cache .ruff_cache .hypothesis
