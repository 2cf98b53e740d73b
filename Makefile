# `make check` is what CI runs on top of the README's set-up.
BIN := .venv/bin

.PHONY: check lint test format protos

check: lint test

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test:
	$(BIN)/pytest -n auto

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: # the stubs, after a change of a .proto
	$(BIN)/python protos/regenerate.py
