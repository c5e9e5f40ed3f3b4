# Two commands are enough: `make run` tries Deskhand, `make test` runs everything that CI runs.
# Both do their own set-up. Needed: Python 3.11 and make.

SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run test check lint types bench shots axe pseudo debian calendars cover stored lock messages

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## make the Python environment in .venv
	@scripts/setup.sh

setup-tests:
	@scripts/setup.sh tests

run: setup ## start everything with a demo company, and print the address and the log-ins
	@exec $(BIN)/deskhand serve --demo $(ARGS)

test: setup-tests ## everything that CI runs
	@scripts/debian.sh
	@$(BIN)/python scripts/run_tests.py

check: setup-tests ## the static part of it: style, types, layers, migrations, translations
	@$(BIN)/python scripts/run_tests.py static

lint: setup-tests ## tidy up: formatting and what ruff can repair
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

types: setup-tests ## types only
	@$(BIN)/mypy

bench: setup ## measure: figures as JSON
	@$(BIN)/deskhand bench all --json $(ARGS)

shots: setup-tests ## pictures of the demo's screens, sheets of them for looking at, and the README's
	@scripts/debian.sh
	@$(BIN)/python scripts/shots.py

axe: setup-tests ## search every state of every screen for obstacles, in every look (tests take a share)
	@scripts/debian.sh
	@DESKHAND_LOOKS=all $(BIN)/pytest tests/browser/test_access.py -m browser -q -n 2 --timeout 1800

pseudo: setup-tests ## search every state for texts that are not marked for translation, or have no room
	@scripts/debian.sh
	@DESKHAND_LOOKS=all $(BIN)/pytest tests/browser/test_pseudo.py -m browser -q --timeout 900

debian: setup-tests ## everything that speaks to the database on Debian's PostgreSQL 15 and behind PgBouncer (tests take a share)
	@scripts/debian.sh
	@DESKHAND_SHARES=all $(BIN)/python scripts/run_tests.py debian pooled

calendars: setup-tests ## working hours against a slow, obvious reading, with very many examples (tests take some)
	@DESKHAND_CALENDAR_EXAMPLES=3000 $(BIN)/pytest deskhand/kernel/tests/test_calendars_slowly.py -q -n 2

cover: setup-tests ## the decisions of automation and of filters: every branch of them must be run by their tests
	@$(BIN)/python -m coverage run -m pytest -q -n0 deskhand/automation/tests/test_engine_*.py \
	    deskhand/automation/tests/test_drafts.py deskhand/automation/tests/test_gone.py deskhand/automation/tests/test_stored_definitions.py \
	    deskhand/automation/tests/test_activities.py \
	    deskhand/crm/tests/test_filter*.py
	@$(BIN)/python -m coverage report

stored: setup-tests ## with a release: keep an installation of it, which the next one must upgrade
	@$(BIN)/python -m tests.upgrade

messages: setup-tests ## bring the translations up to the source
	@$(BIN)/python scripts/messages.py extract

lock: setup-tests ## pin requirements/*.in anew, with hashes
	@$(BIN)/python -m pip install --quiet pip-tools
	@for name in run test bench; do CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade \
	    --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
	    --no-emit-find-links --no-emit-options -o requirements/$$name.txt requirements/$$name.in || exit 1; done
