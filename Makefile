# Everything a reader runs. `make` alone lists the targets.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
VENV ?= .venv
BIN := $(VENV)/bin
PROTOS_VENV := .venv-protos
GENERATORS := grpcio-tools==1.80.0 mypy-protobuf==5.1.0
SOURCES := server/postroom_server client/postroom client/postroom_pytest tests examples benchmarks
ARGS ?=
ON_POSTGRES := $(addprefix tests/integration/service/test_,looking_after.py request_ids.py \
  refusals.py scheduling.py states.py twins.py watching.py)
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct))
export PYTHONDONTWRITEBYTECODE ?=

.DEFAULT_GOAL := help
.PHONY: help install run test test-floor test-postgres unit interop gates gates-ci lint format types imports \
        protos protos-check check reference bench bench-parts micro clean dist

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv and install both distributions in it

$(VENV)/.installed: client/pyproject.toml server/pyproject.toml pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Postroom needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "hint: on Debian, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check -U 'pip>=25.1'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e 'client[cli]' -e 'server[objects,postgres]' --group dev
	@touch $@

run: install ## Start the service with a sandbox relay and send a mail through it (ARGS=--once to stop after it)
	@$(BIN)/python examples/first_mail.py $(ARGS)

test: install ## Run all tests but interop and gates
	$(BIN)/pytest -m "not interop and not gate" $(SIDE_BY_SIDE) $(ARGS)

test-floor: ## Run the same with the oldest grpcio and protobuf that callers may have
	@$(MAKE) test VENV=.venv-floor CONSTRAINTS=constraints-floor.txt SIDE_BY_SIDE="$(SIDE_BY_SIDE)"

test-postgres: install ## Run tests of the service with its store in PostgreSQL
	POSTROOM_TEST_STORE=postgres $(BIN)/pytest -n 2 $(ON_POSTGRES) $(ARGS)

unit: install ## Run the fast tests
	$(BIN)/pytest tests/unit tests/architecture -m "not interop and not gate" $(ARGS)

interop: install ## Run the tests with foreign clients, relays and parsers
	$(BIN)/pytest -m interop $(ARGS)

gates: install ## Run the gates with their full figures
	POSTROOM_GATES=full $(BIN)/pytest -m gate --timeout=3600 $(ARGS)

gates-ci: install ## Run the gates with small figures
	$(BIN)/pytest -m gate --timeout=600 $(ARGS)

lint: install ## Check format and style
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

format: install ## Format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix-only -q $(SOURCES)

types: install ## Check types, strictly
	$(BIN)/mypy client/postroom client/postroom_pytest server/postroom_server tests/typing

imports: install ## Check the import contract
	$(BIN)/lint-imports

$(PROTOS_VENV)/.installed: Makefile
	@$(PYTHON) -m venv $(PROTOS_VENV)
	@$(PROTOS_VENV)/bin/python -m pip install -q --disable-pip-version-check $(GENERATORS)
	@touch $@

protos: $(PROTOS_VENV)/.installed ## Generate client/postroom/v1 from protos/
	@$(PROTOS_VENV)/bin/python protos/generate.py client

protos-check: install $(PROTOS_VENV)/.installed ## Lint the contract; fail if the stubs are stale
	$(BIN)/buf lint protos
	@$(PROTOS_VENV)/bin/python protos/generate.py --check client

# Two at a time where the time of one test is not what is judged.
check: SIDE_BY_SIDE := -n 2
check: lint types imports protos-check test test-postgres interop gates-ci test-floor ## Everything that CI runs

reference: install ## Write the reference of settings and of their variables anew
	@$(BIN)/python -m postroom_server.config > docs/reference/settings.md
	@sed -i '/^## Every key as a variable/,$$d' docs/reference/environment.md
	@$(BIN)/python -m postroom_server.config variables >> docs/reference/environment.md

bench: install ## Measure sending beside smtplib and aiosmtplib, and composing beside EmailMessage (under 5 minutes)
	$(BIN)/python -m benchmarks.peers --json .build/peers.json
	$(BIN)/python -m benchmarks.compose --rounds 5

bench-parts: install ## Measure the store, large mail, the test double, log and metrics, the stages of a mail, how cost grows
	$(BIN)/python -m benchmarks.outbox
	$(BIN)/python -m benchmarks.large_mail
	$(BIN)/python -m benchmarks.testing_double
	$(BIN)/python -m benchmarks.observability
	$(BIN)/python -m benchmarks.observability --secured
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.growth --json .build/growth.json

micro: install ## Measure the steps of a mail by themselves (pytest-benchmark)
	$(BIN)/pytest -o addopts= --import-mode=importlib -p no:xdist -p no:randomly -q --benchmark-timer=time.thread_time benchmarks/test_micro.py $(ARGS)

dist: install ## Build wheels and sdists of both distributions into dist/, always the same from one commit
	@rm -rf dist
	@for part in client server; do SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m build --no-isolation --outdir dist $$part || exit 1; done

clean: ## Remove what the other targets made
	rm -rf $(VENV) .venv-floor $(PROTOS_VENV) .build build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf examples/go/gen examples/java/target $(addprefix examples/node/,gen dist node_modules)
