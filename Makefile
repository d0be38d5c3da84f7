# Everything a newcomer, a scheduled job or CI needs, without installing anything by hand but Python itself.
#
#   make forecast ARGS="--as-of 2026-04-10"     options for `forecast run`
#   make test T="tests/test_ledger.py -x"       options for pytest
#   make clean setup PYTHON=/opt/bin/python3    the Python to build .venv with

CASE ?= us-iran
OUT ?= out/$(CASE)
ARGS ?=
T ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# Two stamps: the locked packages, and the checkout installed in place on top of them.
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed

# 3.12 first: it is the version of .python-version, and figures repeat to the bit only within one version. A name on the
# PATH may be older, may be a shim that cannot run, or may lack venv, so each is tried by running it.
PYTHONS := $(PYTHON) python3.12 python3.13 python3.14 python3 python $(wildcard $(HOME)/.pyenv/versions/3.*/bin/python3)
SUITABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 12))
VERSION := import sys; print("Python %d.%d.%d" % sys.version_info[:3])

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help forecast test test-fast lint bench lab notebooks lock setup clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# FORECAST_DB names another database for the ledger than out/workspace.db.
forecast: $(INSTALLED) ## issue the forecast into OUT (out/us-iran) and the ledger
	$(BIN)/forecast run $(CASE) --out $(OUT) $(ARGS)

test: $(INSTALLED) ## run every test, the slow ones that sample included
	$(BIN)/python -m pytest $(T)

test-fast: $(INSTALLED) ## run the tests that do not sample
	$(BIN)/python -m pytest -m "not slow" $(T)

lint: $(INSTALLED) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED) ## time the model and print the table
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

lab: $(INSTALLED) ## open the notebooks in JupyterLab, each kept in step with its .py
	$(BIN)/jupytext --quiet --sync notebooks/*.py
	$(BIN)/jupyter lab --notebook-dir=notebooks

# A fresh folder: a notebook that passes here depends on the installed package alone.
notebooks: $(INSTALLED) ## execute every notebook at reduced settings
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	for source in notebooks/*.py; do \
	  $(BIN)/jupytext --quiet --to ipynb --output "$$folder/$$(basename "$$source" .py).ipynb" "$$source"; \
	done; \
	FORECAST_FAST=1 $(BIN)/python -m pytest --nbmake --nbmake-timeout=900 -p no:cacheprovider --durations=0 "$$folder"

# Universal: one lock for every supported Python and platform. ARGS=--upgrade moves the pins; without it they stay.
lock: $(INSTALLED) ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.12 --generate-hashes --quiet \
	  --no-config --no-python-downloads \
	  --custom-compile-command "make lock" --output-file requirements.lock $(ARGS)

setup: $(INSTALLED) ## make .venv and install everything into it; the other targets do so when needed

clean: ## remove .venv, caches and builds; forecasts under out/ stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov notebooks/*.ipynb
	find forecast tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv that was moved, or whose Python has been removed, counts as missing.
ifneq ($(shell $(BIN)/python -c 'import pip, sys; print(sys.prefix)' 2>/dev/null),$(CURDIR)/$(VENV))
.PHONY: $(LOCKED)
endif

# Always from an empty folder, so that what is left of a killed install, or of an older lock, cannot linger.
$(LOCKED): requirements.lock
	@for python in $(PYTHONS); do \
	  if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.12 or newer that has venv and ensurepip was found. Tried:"; \
	  for python in $(PYTHONS); do \
	    echo "  $$python: $$("$$python" -c '$(VERSION)' 2>/dev/null || echo cannot be run)"; \
	  done; \
	  echo "Install one (for instance 'apt install python3 python3-venv' on Debian 13, Ubuntu 24.04 or later),"; \
	  echo "or name one: make PYTHON=/path/to/python3.12"; \
	  exit 1; \
	fi >&2; \
	echo "Building $(VENV) with $$found ($$("$$found" -c '$(VERSION)')); this takes a minute or two."; \
	rm -rf $(VENV) && "$$found" -m venv $(VENV)
	$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

# The first stamp is away while the second is made: whatever interrupts this, the next run starts afresh.
$(INSTALLED): $(LOCKED) pyproject.toml forecast/__init__.py
	@rm -f $(LOCKED)
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(LOCKED) && touch $@
