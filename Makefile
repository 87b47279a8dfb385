# Everything a person or CI runs. Only Python 3.11+ is needed beforehand; each target makes its own .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
OUT    := build/suite

.PHONY: demo test check bench clean unit types lint

demo: $(VENV)/.ready ## the main job on this machine: simulator, object store, 25 conversations
	$(BIN)/turnkeeper demo

test: lint types ## everything: format, lint, types, layers, all tests, and last a scan of what they left for secrets
	rm -rf $(OUT) && mkdir -p $(OUT)
	set -o pipefail; TURNKEEPER_SUITE_OUTPUT=$(OUT) $(BIN)/pytest -n 2 --basetemp=$(OUT)/tmp --ignore=tests/last 2>&1 | tee $(OUT)/output.txt
	TURNKEEPER_SUITE_OUTPUT=$(OUT) $(BIN)/pytest tests/last

check: lint types unit ## fast: format, lint, types, layers, unit tests

lint: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.tested
	$(BIN)/mypy

unit: $(VENV)/.tested
	$(BIN)/pytest -q -n 2 -m "not slow" tests/unit

bench: $(VENV)/.benched ## the comparisons with peers, in one run
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

SHELL := /bin/bash

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turnkeeper needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/.ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/.benched: $(VENV)/.tested
	$(PIP) install --constraint constraints.txt --group bench
	command -v jq >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q jq; }
	touch $@

$(VENV)/.tested: $(VENV)/.ready
	$(PIP) install --constraint constraints.txt --group test
	touch $@
