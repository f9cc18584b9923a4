# Two commands: `make run` and `make test`. Both set up everything they need first.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

FLEETS ?= ../shared/data
OUT ?= build/evaluation
ARGS ?=
PYTHON := .venv/bin/python
export FLEETS

.PHONY: help run test setup setup-test check evaluate pages lock format

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

run: setup  ## Set up and run the whole service with the demo: make run [ARGS='--lan']
	@exec .venv/bin/forewarn up --demo $(ARGS)

test: setup-test  ## Set up and run all tests: make test [ARGS='tests/ingest -x']
	@exec .venv/bin/pytest -n 3 --dist loadgroup $(ARGS)

setup:  ## Only install what `make run` needs
	@deploy/setup.sh run

setup-test:  ## Only install what `make test` and `make check` need
	@deploy/setup.sh test

check: setup-test  ## Lint, types, arrows, migrations, language keys, types of the pages
	@deploy/check.sh

evaluate: setup  ## Score the detectors on each recorded fleet in FLEETS
	@deploy/evaluate.sh "$(FLEETS)" "$(OUT)"

pages: setup  ## Build the web pages in place (only when their sources changed)
	@$(PYTHON) hatch_build.py

format: setup-test  ## Format the Python sources
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: setup  ## Lock the newest allowed versions of all dependencies
	@.venv/bin/uv lock --upgrade
