# Every target does its own set-up: a virtual environment in .venv with the pinned packages.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
# Where it is set, each of the hundreds of processes that tests start compiles what it imports anew.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
# pip is either silent for minutes or says four lines a package: this is a line for each tenth. Its errors come as ever.
TELL = awk '/^Collecting/ {if (++n % 10 == 0) {print "  " n " packages, now " $$2; fflush()}} \
  /^Installing collected/ {print "  all fetched, now installed"; fflush()}'
# Most tests wait for an engine, not for a processor: three at once, on two cores. Each has engines of its own (about 4 GB
# of memory), so on a small machine two.
ROOM_FOR := $(shell awk '/^MemAvailable/ {n = ($$2 > 14e6) ? 3 : 2} END {print n ? n : 2}' /proc/meminfo 2>/dev/null || echo 2)
WORKERS := -n $(ROOM_FOR) --no-loadscope-reorder

# So that no worker is left with minutes of work when the others have none.
LONGEST_FIRST := tests/faults tests/integration tests/unit

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What the program itself needs: a demo shall not wait for linters and other people's databases.
$(RUNTIME): requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3.12 …)"; exit 1; }
	@echo "making $(VENV) with the packages of requirements.txt (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@awk '/^[a-z]/ {wanted = /^setuptools==/} wanted' requirements-dev.txt > $(VENV)/requirements-build.txt
	@$(PIP) --require-hashes -r requirements.txt -r $(VENV)/requirements-build.txt | $(TELL)
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP): $(RUNTIME)
	@echo "adding what tests and checks need, from requirements-dev.txt (a minute or two, once)"
	@$(PIP) --require-hashes -r requirements-dev.txt | $(TELL)
	@touch $@

.PHONY: install
install: $(STAMP) ## Install everything into .venv

$(VENV)/.serve: $(RUNTIME) requirements-serve.txt
	@echo "adding the door's packages, from requirements-serve.txt (once)"
	@$(PIP) --quiet --require-hashes -r requirements-serve.txt
	@touch $@

.PHONY: demo
demo: $(VENV)/.serve ## The whole road on throwaway engines (SECONDS=60 ends by itself with a verdict)
	$(BIN)/cryptoproxy demo $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: run
run: $(RUNTIME) ## Live data: engines, set-up, poller and indexer with the settings of .env (Ctrl-C ends it)
	$(BIN)/cryptoproxy run

$(VENV)/.page: $(RUNTIME) requirements-page.txt
	@echo "adding what the page needs, from requirements-page.txt (a minute, once)"
	@$(PIP) --require-hashes -r requirements-page.txt | $(TELL)
	@touch $@

.PHONY: page
page: $(VENV)/.page ## The page for people, over the door that runs: prices, charts, alerts, is it working (docs/page.md)
	$(BIN)/cryptoproxy page

.PHONY: test
test: $(STAMP) ## All tests but the long cases of the fault suite, on real engines
	$(BIN)/python -m pytest $(LONGEST_FIRST) -m "not long" $(WORKERS) $(ARGS)

# Programs that others wrote, as Debian packages; installed without their recommendations.
DEBIAN := prometheus prometheus-alertmanager chromium postgresql

.PHONY: debian
debian:
	@dpkg -s $(DEBIAN) >/dev/null 2>&1 || { echo "installing Debian packages: $(DEBIAN)"; \
	  sudo=; test "$$(id -u)" = 0 || sudo=sudo; $$sudo apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $(DEBIAN) >/dev/null; }

.PHONY: test-more
test-more: $(STAMP) debian ## Tests with programs that others wrote (installs Debian packages: prometheus, chromium …)
	$(BIN)/python -m pytest tests/more -m "not long" $(ARGS)

.PHONY: unit
unit: $(STAMP) ## Only the tests that need no engines
	$(BIN)/python -m pytest tests/unit $(ARGS)

.PHONY: faults
faults: $(STAMP) ## The fault suite and every other long test; writes docs/faults.md
	$(BIN)/python -m pytest tests/faults --write-table $(WORKERS) $(ARGS)
	$(BIN)/python -m pytest tests/integration -m long $(WORKERS) $(ARGS)
	$(BIN)/python -m pytest tests/more -m long $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Benchmarks on real engines, some 20 minutes (ARGS="indexing latency --rounds 3" for single ones)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: check
check: $(STAMP) ## Format, lint, types, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/make_docs.py --check
	$(BIN)/python -m kibana.generate --check

.PHONY: format
format: $(STAMP) ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(STAMP) ## Make what is made from the code: settings, metrics, .env.example, schema, dashboards
	$(BIN)/python scripts/make_docs.py
	$(BIN)/python -m kibana.generate

# Environments of their own, beside .venv: Spark brings a gigabyte, and Airflow's pins and ours do not go together.
SPARK := .venv-spark
AIRFLOW := .venv-airflow

$(SPARK)/.installed: jobs/spark/requirements.txt pyproject.toml | $(STAMP)
	@echo "making $(SPARK) with the packages of jobs/spark/requirements.txt (some minutes, once)"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SPARK)
	@$(BIN)/uv pip install --quiet --python $(SPARK)/bin/python --require-hashes -r jobs/spark/requirements.txt
	@$(BIN)/uv pip install --quiet --python $(SPARK)/bin/python --no-deps -e .
	@touch $@

$(AIRFLOW)/.installed: jobs/airflow/requirements.txt | $(STAMP)
	@echo "making $(AIRFLOW) with the packages of jobs/airflow/requirements.txt (some minutes, once)"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(AIRFLOW)
	@$(BIN)/uv pip install --quiet --python $(AIRFLOW)/bin/python --require-hashes -r jobs/airflow/requirements.txt
	@touch $@

.PHONY: spark
spark: $(SPARK)/.installed ## The Spark jobs on throwaway engines, held against DuckDB and `query` (docs/spark.md)
	PYTHONPATH=. $(SPARK)/bin/python jobs/spark/proof.py

.PHONY: airflow
airflow: $(AIRFLOW)/.installed $(SPARK)/.installed ## Each Airflow DAG once on throwaway engines (docs/airflow.md)
	$(BIN)/python -m pytest tests/jobs $(ARGS)

.PHONY: image
image: $(STAMP) ## Build docker/Dockerfile without Docker, and run poller and indexer in it (as root, on Debian)
	scripts/check_image.sh $(ARGS)

.PHONY: lock
lock: $(STAMP) ## Pin all dependencies anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --group dev --all-extras pyproject.toml -c requirements.txt -o requirements-dev.txt
	for extra in indicators lake page serve watch; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --extra $$extra pyproject.toml -c requirements-dev.txt -o requirements-$$extra.txt; \
	done
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --extra indicators --extra lake pyproject.toml jobs/spark/requirements.in -c requirements.txt \
	  -c requirements-lake.txt -c requirements-indicators.txt -o jobs/spark/requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header jobs/airflow/requirements.in -o jobs/airflow/requirements.txt

.PHONY: clean
clean: ## Remove .venv, caches and what a demo that failed left
	rm -rf $(VENV) $(SPARK) $(AIRFLOW) .run/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
