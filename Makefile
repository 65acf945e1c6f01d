# timerlab: `make run` opens the screen, `make test` checks everything. Both make .venv themselves.
PYTHON ?= python3.11
PYTHON := $(shell command -v $(PYTHON) || command -v python3)
BIN := .venv/bin

.PHONY: run test check bench deep clean

run: .venv/run
	$(BIN)/timerlab $(ARGS)

test: check
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy timerlab

bench: .venv/dev
	$(BIN)/python benchmarks/run.py

# millions of clocks and accesses instead of thousands
deep: .venv/dev
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest

.venv/run: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	touch $@

.venv/dev: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/run

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
