# Everything runs from .venv, which `make install` builds from hash-pinned wheels.
# PYTHON chooses the interpreter: make install PYTHON=python3.13

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# a company's own certificate authority is in the system's store, not in uv's
export UV_SYSTEM_CERTS ?= 1
export UV_NO_PROGRESS := 1
# container images often set it, and then each process compiles CDK, boto3 and our own modules again
unexport PYTHONDONTWRITEBYTECODE
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links
REQUIREMENTS := requirements/dev.txt requirements/uv.txt

.PHONY: help install test check format bundles synth demo bench fuzz histories hostile mutants lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## the virtual environment .venv, with everything in it

$(VENV)/.installed: $(REQUIREMENTS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Sessionwarden needs Python 3.11 or later; '$(PYTHON)' is not (set PYTHON=...)." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "This Python has no venv module: install it first (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/uv.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

bundles: install ## the Lambda bundles, for AWS and for the emulator
	@$(BIN)/python -m sessionwarden.deploy.bundles

synth: bundles ## the CloudFormation templates, into cdk.out
	@$(BIN)/python app.py

demo: install bundles ## watch an abused session die, on this machine
	@$(BIN)/sessionwarden demo

test: install bundles ## all tests
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup

check: install ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: install ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

HISTORIES ?= 100000
histories: install ## random histories of detection against the oracle, many more than in make test
	@PYTHONPATH=src:. $(BIN)/python -m tests.support.histories.check --histories $(HISTORIES) --seed $$(date +%s)

mutants: install ## whether the tests notice mistakes in the code: those that let an attacker in, and a sample of others
	@PYTHONPATH=src:. $(BIN)/python -m mutants.security
	@PYTHONPATH=src:. $(BIN)/python -m mutants

hostile: install ## the commands over files that cost far more than their size: CPU, memory, output
	@PYTHONPATH=src:. $(BIN)/python -m tests.support.hostile_files.measure
	@PYTHONPATH=src:. $(BIN)/python -m tests.support.hostile_files.measure --fitting

FUZZ_SECONDS ?= 60
fuzz: build/fuzz/.installed ## the authorizer against made-up bytes, guided by coverage
	@mkdir -p build/fuzz/found
	@PYTHONPATH=src:. build/fuzz/bin/python -m fuzz.authorizer -max_total_time=$(FUZZ_SECONDS) -max_len=12000 \
	  -artifact_prefix=build/fuzz/ build/fuzz/found fuzz/corpus

# of its own: the fuzzer's wheels exist for fewer platforms than the project
build/fuzz/.installed: requirements/fuzz.txt requirements/authorizer.txt
	@mkdir -p build
	@$(PYTHON) -m venv --clear build/fuzz
	@build/fuzz/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	  -r requirements/authorizer.txt -r requirements/fuzz.txt
	@touch $@

lock: install ## pin every requirement again, with hashes and without an index
	@$(COMPILE) --all-extras --group dev pyproject.toml requirements/build.in -o requirements/dev.txt
	@$(COMPILE) -c requirements/dev.txt pyproject.toml -o requirements/authorizer.txt
	@for name in functions fuzz uv; do \
	  $(COMPILE) -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean: ## everything that was built
	@rm -rf $(VENV) build cdk.out
