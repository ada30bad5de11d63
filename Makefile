# repro    restore data, models and metrics; re-run what is not up to date; print the metrics
# test     set up the same way, then lint, types and every test
# retrain  run the whole pipeline from the data, training included
# lint     style          types  mypy          deps  bring dvc.yaml in step with the imports
# report   build/report: metrics, curves and pictures for a browser; BASE=REV compares with a revision
# smoke    run every stage on few scenes, in a copy that is deleted; nothing here changes
# restore  pull data, models and plots, all that the default remote is to hold: not build/
# push     put data, models and plots into the default remote; from storage/, not from a remote that
#          others use too, drop what this commit does not use

PYTHON ?= python3.11
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# A shell for every line: make would look up simple commands on the PATH it was started with.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# What storage/ holds, photos beside data/ too: build/ is left out, it is large and quick to make again.
STORED := $(shell git ls-files -co --exclude-standard "*.dvc") train_ssd train_unet train_flat train_direction tune freeze convert evaluate ship
# Of the stage augment the picture alone. By itself: beside stages DVC takes a path for nothing.
SHEET := plots/augmented.jpg
# Tests run on every core, four at most, a file's tests one after another.
SPREAD := --numprocesses logical --maxprocesses 4 --dist loadfile
PIP := .venv/bin/pip -qq --disable-pip-version-check

.PHONY: repro test retrain lint types deps report smoke push restore
.DELETE_ON_ERROR:

repro: restore
	@python -m meishi.clone.reproduce
	@python -m meishi.reporting

test: restore .venv/tests-installed lint types
	@pytest $(SPREAD) tests/unit
	@pytest tests/contract
	@pytest $(SPREAD) tests/model
	@pytest $(SPREAD) tests/smoke
	@pytest tests/remote

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

report: .venv/report-installed
	@meishi report $(if $(BASE),--base $(BASE))

smoke: .venv/installed
	@test -d data || dvc pull data.dvc >/dev/null
	@python -m meishi.clone.smoke

push: .venv/installed
	@dvc push $(STORED)
	@dvc push $(SHEET)
	@remote=$$(dvc remote default); if test "$$remote" = embedded; \
	  then dvc gc --workspace --all-experiments --cloud --force; \
	  else echo "Pushed to remote $$remote; nothing is dropped from it: others may use it."; fi

restore: .venv/installed
	@dvc pull $(STORED) >/dev/null && dvc pull $(SHEET) >/dev/null || \
	  { echo "If paths are listed above, they are not in remote $$(dvc remote default): whoever" \
	    "made this commit must push them. If you changed data/ yourself: dvc add data."; exit 1; }

.venv/installed: requirements.txt constraints.txt pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "Installing what requirements.txt pins into .venv (about two minutes, once)"
	@$(PIP) install -r requirements.txt
	@touch $@

.venv/report-installed: requirements-report.txt .venv/installed
	@$(PIP) install -r requirements-report.txt
	@touch $@

.venv/tests-installed: $(wildcard requirements-*.txt) .venv/installed
	@$(PIP) install -r requirements-dev.txt
	@touch $@
