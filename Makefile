# Everything a person or CI runs. Python 3.11+ and npm are needed beforehand; each target makes its own .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
OUT    := build/suite

PAGES   := src/turnkeeper/pages/static/call.html
NATIVE  := $(wildcard native/*.c native/*.h native/*.py)
SUDO_APT = test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q

.PHONY: demo test check bench clean unit types lint help pages

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
	cd web && npm run --silent types

unit: $(VENV)/.tested
	$(BIN)/pytest -q -n 2 -m "not slow" --hypothesis-profile=check tests/unit

bench: $(VENV)/.benched ## the comparisons with peers, in one run
	$(BIN)/python -m benchmarks

help: $(VENV)/.tested ## what `turnkeeper VERB --help` prints, after a change of options
	$(BIN)/python -m tools.make_help

pages: $(PAGES) ## the pages of `turnkeeper report`, from web/

clean:
	rm -rf $(PAGES:call.html=) web/node_modules
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

SHELL := /bin/bash

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turnkeeper needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

web/node_modules/.ready: web/package.json web/package-lock.json
	command -v npm >/dev/null || { $(SUDO_APT) nodejs npm; } || \
	  { echo "turnkeeper's pages are built with npm: install Node.js 20 or newer with npm, then run make again" >&2; exit 1; }
	cd web && npm ci --no-audit --no-fund
	touch $@

$(PAGES): web/node_modules/.ready web/build.mjs $(wildcard web/src/*)
	cd web && npm run --silent build
	touch $@

$(VENV)/.ready: $(VENV)/bin/python pyproject.toml constraints.txt hatch_build.py $(NATIVE) $(PAGES)
	$(PIP) install --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/.benched: $(VENV)/.tested
	$(PIP) install --constraint constraints.txt --group bench
	command -v jq >/dev/null || { $(SUDO_APT) jq; }
	touch $@

$(VENV)/.tested: $(VENV)/.ready
	$(PIP) install --constraint constraints.txt --group test
	command -v chromium >/dev/null || { $(SUDO_APT) chromium; } || \
	  { echo "the pages are tested in Chromium: apt-get install -y chromium" >&2; exit 1; }
	command -v zsh >/dev/null || { $(SUDO_APT) zsh; } || \
	  { echo "completion is tested in zsh: apt-get install -y zsh" >&2; exit 1; }
	command -v ffmpeg >/dev/null || { $(SUDO_APT) ffmpeg; } || \
	  { echo "captions and sound are judged by ffmpeg: apt-get install -y ffmpeg" >&2; exit 1; }
	command -v gcc >/dev/null || { $(SUDO_APT) gcc libc6-dev python3-dev; } || \
	  { echo "the part in C is tested too: apt-get install -y gcc libc6-dev python3-dev" >&2; exit 1; }
	$(BIN)/python native/build.py
	touch $@
