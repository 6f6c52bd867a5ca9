# Everything a person does with this repository, one word each. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := .cache/clients
TESTS ?= tests
MINUTES ?= 2
SEEDS ?= 40
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run demo test clients check bench fmt db-shell migration schema assets sim chaos browser-deps clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# The environment is made again whenever the dependencies change.
$(STAMP): pyproject.toml constraints.txt hatch_build.py frontend/package.json frontend/package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tocsin needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || { echo "Making the environment in $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing what Tocsin needs (about a minute the first time) ..."
	@$(BIN)/python -m pip install -q --upgrade pip
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## Start Tocsin on http://127.0.0.1:8080 with its own database
	@exec $(BIN)/tocsin serve $(ARGS)

demo: $(STAMP) ## The same, filled with a made-up company to look around in
	@exec $(BIN)/tocsin demo $(ARGS)

test: $(STAMP) clients ## The everyday tests
	@$(BIN)/python -m pytest $(TESTS) -n 2 --dist worksteal $(PYTEST)

# Clients that cannot live in the environment. Without node or a registry their tests are skipped,
# unless nothing may be.
clients: $(CLIENTS)/.installed ## The outside clients that the REST API is proven with

$(CLIENTS)/.installed: $(STAMP) $(wildcard tests/conformance/clients/*.txt tests/conformance/clients/*.json)
	@rm -rf $(CLIENTS) && mkdir -p $(CLIENTS)/node
	@cp tests/conformance/clients/package.json tests/conformance/clients/package-lock.json $(CLIENTS)/node/
	@$(BIN)/python -m pip install -q --target $(CLIENTS)/python -r tests/conformance/clients/requirements.txt \
	  && { ! command -v npm >/dev/null || npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $(CLIENTS)/node; } \
	  && touch $@ \
	  || { echo "Some outside clients could not be fetched; their tests are skipped."; test "$$TOCSIN_TEST_REQUIRE_ALL" != 1; }

check: $(STAMP) ## Lint, types, architecture, a minute of simulation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest tests/architecture
	$(BIN)/python -m tests.simulation --seconds 60

bench: $(STAMP) ## Throughput, latency and memory, as ratios within one run
	@$(BIN)/python -m bench $(ARGS)

sim: $(STAMP) ## Simulations under seeds: make sim SEEDS=1000, or SEED=17 for one
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

chaos: $(STAMP) ## A real server under faults: make chaos MINUTES=30 [SEED=17]
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fmt: $(STAMP) ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix -q .

assets: $(STAMP) ## Build the pages' scripts and styles
	@$(BIN)/python hatch_build.py

db-shell: $(STAMP) ## psql on the running server's database
	@exec $(BIN)/tocsin db shell $(ARGS)

migration: $(STAMP) ## A new, empty migration: make migration NAME=add_silences
	@$(BIN)/tocsin db new-migration "$(NAME)"

schema: $(STAMP) ## Write migrations/schema.sql from all migrations
	@$(BIN)/tocsin db dump-schema

clean: ## Remove what was built (keeps the data in var/)
	rm -rf $(VENV) build dist src/tocsin/web/static frontend/node_modules
