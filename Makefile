# A fresh machine has python3 (3.11 or later), git and make. Everything else is set up here, in .venv.
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help demo test check lock format snapshots clean

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: .venv/ready  ## the main job on this machine, nothing configured: papers -> ranking -> mail -> a local inbox
	$(BIN)/digest demo

test: .venv/ready  ## all tests; those that need Chromium, PostgreSQL or recordings are skipped where these are absent
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -q -n auto  # a process a core; threads of each would only wait for one another

check: .venv/ready  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready  ## let ruff lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

snapshots: .venv/ready  ## take the mails of today as the ones that tests compare with; read the difference
	$(BIN)/pytest -q tests/test_compose_digest.py tests/test_sample_mail.py --snapshot-update
	git diff --stat tests/__snapshots__

lock: .venv/ready  ## resolve dependencies again and write requirements.lock (hashes, no addresses)
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export --frozen --all-extras --all-groups --no-emit-project --no-header --output-file requirements.lock --quiet
	rm uv.lock

clean:  ## remove what was set up and written here
	rm -rf .venv build dist out var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/ready: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("digest needs Python 3.11 or later; say: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch .venv/ready
