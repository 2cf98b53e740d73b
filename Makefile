# `make check` is what CI runs on top of the README's set-up.
BIN := .venv/bin

.PHONY: audit check lint test format protos

check: lint test

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test:
	$(BIN)/pytest -n auto

audit: # asks OSV about the packages of constraints.txt; exit code 2: it could not be asked
	$(BIN)/python .ci/audit.py

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: # the stubs, after a change of a .proto
	$(BIN)/python protos/regenerate.py
