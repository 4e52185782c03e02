PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
OUT ?= out
DEMO := $(BIN)/cevnsfit run analyses/lmu-ltau-combined.yaml -o $(OUT) -j 2

NIGHTLY := build/nightly
FAST := -q -n 2 --dist loadfile -m "not slow and not nightly"

.PHONY: demo test test-full nightly lowest newest mutants bench docs clean

test test-full lowest newest mutants nightly bench: export OMP_NUM_THREADS := 1
test test-full lowest newest mutants nightly bench: export OPENBLAS_NUM_THREADS := 1

demo: $(VENV)/.installed
	$(DEMO)

test: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy src
	$(BIN)/lint-imports
	$(BIN)/pytest $(FAST)

test-full: $(VENV)/.installed-test
	$(BIN)/pytest -q -n 2 --dist loadfile -m "slow and not nightly" --mpl

nightly: lowest newest mutants
	$(BIN)/pytest -q -n 2 -m nightly --hypothesis-profile nightly

# The lowest versions that pyproject.toml allows, and the newest ones; what others need in turn is the newest in both.
lowest: RESOLUTION := lowest-direct
newest: RESOLUTION := highest
lowest newest: $(VENV)/.installed-nightly
	mkdir -p $(NIGHTLY)
	$(BIN)/uv pip compile -q --upgrade --resolution $(RESOLUTION) --extra test pyproject.toml -o $(NIGHTLY)/$@.txt
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(NIGHTLY)/$@
	$(BIN)/uv pip install -q --python $(NIGHTLY)/$@ --requirement $(NIGHTLY)/$@.txt --editable .
	$(NIGHTLY)/$@/bin/python -m pytest $(FAST)

mutants: $(VENV)/.installed-nightly
	$(BIN)/python tests/mutation/run.py --work $(NIGHTLY)/mutants

bench: $(VENV)/.installed-test
	$(BIN)/pytest -q --benchmark-only benchmarks

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -q -c docs -d build/doctrees . build/site
	@echo "build/site/index.html"

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) ".[test]"
	@touch $@

$(VENV)/.installed-nightly: $(VENV)/.installed-test
	$(INSTALL) ".[nightly]"
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) ".[docs]"
	@touch $@
