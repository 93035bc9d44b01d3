# Katha: every command of daily work. Only relative paths, so that the folder may have spaces in its name.
#
# What is installed is remembered by empty files inside .venv, so a second run skips it, removing .venv
# forgets it, and an installation that was interrupted starts again from nothing.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run test test-exhaustive check bench tracing lock audit licences explorer clients client-python example screenshot clean FORCE

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
JOBS ?= auto
ARGS ?=

VENV := .venv/bin/python
export UV_LINK_MODE := copy
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
# The tests start hundreds of processes, each of which would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Say what there is.
	@echo "Katha. Commands:"
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' Makefile | awk -F'|' '{ printf "  %-21s %s\n", $$1, $$2 }'
	@echo "With DATABASE_URL set, run and test use that PostgreSQL (16 to 18) instead of the embedded one."

run: .venv/ready-run built-if-possible ## Set everything up and serve with demo data (HOST, PORT, WORKERS).
	@exec $(VENV) manage.py serve --migrate --demo --host "$(HOST)" --port "$(PORT)" --workers "$(WORKERS)"

test: .venv/ready-dev built-if-possible ## Set everything up and run the tests, in parallel (ARGS="-k follow -x", JOBS).
	@exec $(VENV) -m pytest $(PARALLEL) $(ARGS)

test-exhaustive: .venv/ready-dev built-if-possible ## The same tests with all cases and rounds: takes several times as long.
	@EXHAUSTIVE=1 exec $(VENV) -m pytest $(PARALLEL) $(ARGS)

# Who runs out of tests takes over some of another's, from its end, so that most modules stay together.
PARALLEL := --numprocesses "$(JOBS)" --dist worksteal --durations=15

check: .venv/ready-dev client-python ## Format, lint, types, import direction, contract, migrations, house rules, completeness.
	@echo "▸ Formatting and lint"
	@$(VENV) -m ruff format --check .
	@$(VENV) -m ruff check .
	@echo "▸ Types"
	@$(VENV) -m mypy
	@cd clients/python && ../../$(VENV) -m mypy
	@echo "▸ Import direction"
	@PYTHONPATH=. $(VENV) -c "from importlinter.cli import lint_imports_command as lint; lint()"
	@echo "▸ The printed contract"
	@$(VENV) manage.py export_schema --check
	@echo "▸ Migrations"
	@$(VENV) manage.py makemigrations --check --dry-run
	@DJANGO_SETTINGS_MODULE=tests.settings $(VENV) manage.py lintmigrations
	@echo "▸ House rules, and whether anything is missing"
	@$(VENV) -m pytest -q tests/test_house.py tests/test_complete.py tests/test_requirements.py

bench: .venv/ready-run ## Measure what requests cost, beside the least that they could (ARGS="--quick --only R1,M4").
	@exec $(VENV) -m bench $(ARGS)

tracing: .venv/ready-run ## Install what sends spans to OpenTelemetry (docs/operations.md says how to switch it on).
	$(call install,requirements/tracing.txt)

lock: .venv/ready ## Pin the requirements again, with hashes and without addresses (ARGS=--upgrade).
	@for name in uv run tracing dev; do \
	    echo "▸ Pinning requirements/$$name.txt"; \
	    $(VENV) -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	        --custom-compile-command "make lock" --python-version 3.11 $(ARGS) \
	        "requirements/$$name.in" -o "requirements/$$name.txt" || exit; \
	done

audit: .venv/ready-dev ## Ask whether what is pinned has known vulnerabilities (needs the network); npm's too where npm is.
	@for name in uv dev; do \
	    echo "▸ requirements/$$name.txt"; \
	    $(VENV) -m pip_audit --strict --require-hashes --disable-pip -r "requirements/$$name.txt" || exit; \
	done
	@! command -v npm >/dev/null 2>&1 || { echo "▸ npm's"; (cd schema/server/explorer && npm audit) && cd clients/typescript && npm audit; }

# Free to use in any program. Anything else, and what has no licence, fails, but for the packages named below.
FREE := MIT;MIT License;BSD License;BSD-2-Clause;BSD-3-Clause;3-Clause BSD License;ISC;Apache-2.0;Apache Software License;PSF-2.0
FREE := $(FREE);Python Software Foundation License;Apache-2.0 OR BSD-2-Clause;MIT OR Apache-2.0;Apache-2.0 AND BSD-2-Clause
# LGPL: used as they are, and anybody can put another version in their place.
BY_NAME := psycopg psycopg-binary psycopg-pool
# MPL, which is about changed files of their own: used as they are.
BY_NAME := $(BY_NAME) orjson certifi hypothesis pathspec

licences: .venv/ready-dev ## List the licences of what Katha depends on; fails on one that is not known to be fit.
	@$(VENV) -m piplicenses --with-system --order=license
	@$(VENV) -m piplicenses --with-system --ignore-packages $(BY_NAME) --allow-only "$(FREE)" >/dev/null

explorer: schema/server/explorer/static/explorer/vendor/.ready ## Build GraphiQL's files with npm; they need no network afterwards.

clients: clients/typescript/dist/.ready ## Build the TypeScript client with npm, and what /together runs.

example: examples/app/node_modules/.ready ## Serve the example app at 127.0.0.1:5173, on the server of make run.
	@cd examples/app && exec $(NPM) run --silent dev

client-python: .venv/ready-dev ## Write what the Python client takes from the contract and from the server's merge.
	@$(VENV) clients/python/generate.py

screenshot: .venv/ready-dev clients ## Make README's picture of /together anew (needs Chromium).
	@$(VENV) -m tests.schema.screenshot

clean: ## Remove what was installed and fetched; the data in .katha stays.
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf clients/python/src/katha_client/generated examples/app/node_modules examples/app/dist
	rm -rf schema/server/explorer/node_modules schema/server/explorer/static/explorer/vendor
	rm -rf $(addprefix clients/typescript/,node_modules dist .test) schema/server/together/static/together/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment -------------------------------------------------------------------------------------

# Made again when its Python has gone or when an installation into it did not come to its end.
ifneq ($(shell test ! -e .venv/unfinished && $(VENV) -c 'print("sound")' 2>/dev/null),sound)
.venv/ready: FORCE
endif

.venv/ready: requirements/uv.txt
	@rm -rf .venv
	@for python in "$(PYTHON)" python3.13 python3.12 python3.11; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "Katha needs Python 3.11 or newer with its venv module; \"$(PYTHON)\" is not that." >&2; \
	    echo "Install one, or name one: make PYTHON=/path/to/python3.12 …" >&2; exit 1; \
	fi; \
	echo "▸ Making a virtual environment in .venv with $$("$$found" --version)"; \
	"$$found" -m venv .venv
	@touch .venv/unfinished
	@echo "▸ Installing the installer"
	@$(VENV) -m pip install --quiet --require-hashes -r requirements/uv.txt
	@rm .venv/unfinished
	@touch $@

# uv is quick; where it cannot reach the packages (it does not read pip's settings), pip does the same slowly.
define install
	@touch .venv/unfinished
	@[ -w "$$HOME" ] || export UV_NO_CACHE=1; \
	$(VENV) -m uv pip install --python $(VENV) --require-hashes -r $(1) || { \
	    echo "▸ uv could not; pip tries the same"; \
	    $(VENV) -m pip install --require-hashes -r $(1); }
	@rm .venv/unfinished
endef

.venv/ready-run: .venv/ready requirements/run.txt
	@echo "▸ Installing what serving needs"
	$(call install,requirements/run.txt)
	@touch $@

# The tests' pins hold all of the server's, and of tracing, so both are done.
.venv/ready-dev: .venv/ready requirements/run.txt requirements/dev.txt
	@echo "▸ Installing what serving and testing need"
	$(call install,requirements/dev.txt)
	@touch .venv/ready-run $@

# --- What npm builds: the explorer, and the client in TypeScript with the page made of it --------------------

NPM := npm --no-fund --no-audit --no-update-notifier --loglevel=error \
    --fetch-timeout=15000 --fetch-retries=0

schema/server/explorer/static/explorer/vendor/.ready: $(addprefix schema/server/explorer/,package-lock.json package.json build.mjs graphiql.js)
	@echo "▸ Building the explorer's files with npm"
	@cd schema/server/explorer && $(BOUNDED) $(NPM) ci && $(NPM) run --silent build
	@touch $@

clients/typescript/node_modules/.package-lock.json: clients/typescript/package-lock.json clients/typescript/package.json
	@echo "▸ Fetching what the TypeScript client is built with"
	@cd clients/typescript && $(BOUNDED) $(NPM) ci
	@touch $@

clients/typescript/dist/.ready: clients/typescript/node_modules/.package-lock.json schema/schema.graphql \
    $(wildcard clients/typescript/*.* clients/typescript/src/* clients/together/*)
	@echo "▸ Building the TypeScript client and /together"
	@cd clients/typescript && $(NPM) run --silent build

# The client is copied into it, as if it had come from a registry.
examples/app/node_modules/.ready: clients/typescript/dist/.ready $(addprefix examples/app/,package-lock.json package.json)
	@echo "▸ Fetching what the example app is built with"
	@cd examples/app && $(BOUNDED) $(NPM) ci
	@touch $@

# Not reachable is not fatal: everything else is there, and the pages say what to do.
BOUNDED := $(shell command -v timeout >/dev/null 2>&1 && echo timeout --foreground 300)
BUILT := explorer clients
test test-exhaustive: BUILT += examples/app/node_modules/.ready
.PHONY: built-if-possible
built-if-possible:
	@for what in $(BUILT); do \
	    if $(MAKE) -q $$what 2>/dev/null; then :; \
	    elif ! command -v npm >/dev/null 2>&1; then \
	        echo "▸ Note: npm is not here, so some pages have no content. Later: make $$what"; \
	    elif ! $(MAKE) $$what 2>/dev/null; then \
	        echo "▸ Note: npm could not fetch what some pages are built from, so they have no content. Later: make $$what"; \
	    fi; \
	done
