# Everything a person or CI runs. Python 3.11+ is needed beforehand; each target makes its own .venv. System packages are
# installed by `make test` alone, and by that only for root: every other target names the command and stops.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
OUT    := build/suite

PAGES  := src/turnkeeper/pages/static/call.html
NATIVE := $(wildcard native/*.c native/*.h native/*.py)
PARTS  := chromium ffmpeg gcc zsh
SOUND  := tests/unit/audio $(addprefix tests/e2e/test_,align.py audio.py clip.py damaged_sound.py)

# Every traced process leaves a file here, wherever it stands.
export COVERAGE_FILE = $(CURDIR)/build/coverage/data
export PATH := $(PATH):$(CURDIR)/$(BIN)
SHELL := /bin/bash

.PHONY: demo test check bench clean unit types lint help pages native test-pages test-native test-sound floors

demo: $(VENV)/.ready $(PAGES) ## the main job on this machine: simulator, object store, 25 conversations
	$(BIN)/turnkeeper demo

check: lint types unit ## fast, with Python alone: format, lint, types, layers, unit tests

test: lint types $(VENV)/.parts $(VENV)/.group-test $(VENV)/.native $(PAGES) ## everything, the secret scan and the coverage of each room
	cd web && npm run --silent types
	rm -rf $(OUT) build/coverage && mkdir -p $(OUT) build/coverage
	set -o pipefail; TURNKEEPER_SUITE_OUTPUT=$(OUT) $(BIN)/coverage run -m pytest -n 2 --basetemp=$(OUT)/tmp --ignore=tests/last 2>&1 | tee $(OUT)/output.txt
	TURNKEEPER_SUITE_OUTPUT=$(OUT) $(BIN)/pytest tests/last
	$(BIN)/python -m tools.coverage_rooms

floors: $(VENV)/.group-test ## after `make test`: raise each room's floor of coverage to what was measured
	$(BIN)/python -m tools.coverage_rooms --raise

test-pages: part-chromium part-ffmpeg $(VENV)/.group-test $(PAGES) ## the pages of `turnkeeper report`: their types, and in Chromium
	cd web && npm run --silent types
	$(BIN)/pytest -n 2 tests/unit/pages tests/browser

test-native: $(VENV)/.group-test $(VENV)/.native ## the part in C, beside its twin in Python and under sanitizers
	$(BIN)/pytest -n 2 -m "needs(part='native') or needs(part='gcc')" tests/unit

test-sound: part-ffmpeg $(VENV)/.group-test ## recordings, judged by ffmpeg
	$(BIN)/pytest -n 2 $(SOUND)

lint: $(VENV)/.group-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.group-check
	$(BIN)/mypy

unit: $(VENV)/.group-check
	$(BIN)/pytest -q -n auto -m "not slow and not needs" --hypothesis-profile=check tests/unit

bench: $(PARTS:%=part-%) part-jq $(VENV)/.group-test $(VENV)/.group-bench $(VENV)/.native $(PAGES) ## the comparisons with peers, in one run
	$(BIN)/python -m benchmarks

help: $(VENV)/.group-check ## what `turnkeeper VERB --help` prints, after a change of options
	$(BIN)/python -m tools.make_help

pages: $(PAGES) ## the pages of `turnkeeper report`, from web/

native: $(VENV)/.native ## the part in C, from native/

clean:
	rm -rf $(PAGES:call.html=) web/node_modules
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turnkeeper needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/.ready: $(VENV)/bin/python pyproject.toml constraints.txt hatch_build.py
	$(PIP) install --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/.group-%: $(VENV)/.ready
	$(PIP) install --constraint constraints.txt --group $*
	touch $@

$(VENV)/.parts: $(VENV)/bin/python tools/parts.py
	$(BIN)/python -m tools.parts --install $(PARTS)
	touch $@

# Says how to get what is missing, and stops.
part-%: $(VENV)/bin/python
	@$(BIN)/python -m tools.parts $*

$(VENV)/.native: $(VENV)/.group-check $(NATIVE) | part-gcc
	$(BIN)/python native/build.py
	touch $@

web/node_modules/.ready: $(VENV)/bin/python web/package.json web/package-lock.json
	command -v npm >/dev/null || $(PIP) install --constraint constraints.txt --group pages
	cd web && npm ci --no-audit --no-fund
	touch $@

$(PAGES): web/node_modules/.ready web/build.mjs $(wildcard web/src/*)
	cd web && npm run --silent build
	touch $@
