# repro    restore data, models and metrics; re-run what is not up to date; print the metrics
# test     set up the same way, then lint and every test
# retrain  run the whole pipeline from the data, training included
# lint     style          types  mypy          deps  bring dvc.yaml in step with the imports
# push     put data, models and plots into storage/, and drop from it what this commit does not use

PYTHON ?= python3.11
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# A shell for every line: make would look up simple commands on the PATH it was started with.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# What storage/ holds: build/ is left out, it is large and quick to make again.
STORED := data.dvc train_ssd train_unet convert evaluate
# Of the stage augment the picture alone. By itself: beside stages DVC takes a path for nothing.
SHEET := plots/augmented.jpg
PIP := .venv/bin/pip -qq --disable-pip-version-check

.PHONY: repro test retrain lint types deps push restore
.DELETE_ON_ERROR:

repro: restore
	@python -m meishi.reproduce
	@python -m meishi.reporting

test: restore .venv/tests-installed lint
	@pytest tests/unit
	@pytest tests/contract
	@pytest tests/model
	@pytest tests/smoke

retrain: .venv/installed
	@dvc pull data.dvc >/dev/null
	@dvc repro --force
	@python -m meishi.reporting

lint: .venv/tests-installed
	@ruff check --quiet
	@ruff format --check --quiet

types: .venv/tests-installed
	@mypy

deps: .venv/tests-installed
	@python tests/contract/imports.py --write

push: .venv/installed
	@dvc push $(STORED)
	@dvc push $(SHEET)
	@dvc gc --workspace --all-experiments --cloud --force

restore: .venv/installed
	@dvc pull $(STORED) >/dev/null && dvc pull $(SHEET) >/dev/null || \
	  { echo "If data/ was changed on purpose, 'dvc add data' takes the change in."; exit 1; }

.venv/installed: requirements.txt constraints.txt pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "Installing what requirements.txt pins into .venv (about two minutes, once)"
	@$(PIP) install -r requirements.txt
	@touch $@

.venv/tests-installed: $(wildcard requirements-*.txt) .venv/installed
	@$(PIP) install -r requirements-dev.txt
	@touch $@
