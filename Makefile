# `make check` is what CI runs after the README's set-up.
BIN := .venv/bin
BUILDER ?= docker
# BUILD_ARGS as described in deploy/README.md; --target comes after them, so that none gives an image another one's tag
BUILD = BUILDAH_FORMAT=docker $(BUILDER) build $(BUILD_ARGS) --file deploy/docker/Dockerfile

.PHONY: audit check lint test test-fast test-milvus format protos triton-env milvus-env image image-batch deploy-check

check: lint test

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test:
	$(BIN)/pytest -n auto

test-fast: # without trainings, kills and faults
	$(BIN)/pytest -n auto -m "not slow"

test-milvus: milvus-env # the index on a Milvus server, which listens on all interfaces: with no interface but loopback
	unshare --map-root-user --net sh -c 'ip link set lo up && $(BIN)/pytest -n 0 -m milvus tests/recall/index'

audit: # looks up the packages of constraints.txt in OSV; exit code 2: OSV cannot be reached
	$(BIN)/python .ci/audit.py

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: # regenerates the stubs after a change of a .proto
	$(BIN)/python protos/regenerate.py

triton-env: .triton-venv/installed # a Triton Inference Server, which tests marked `triton` start

.triton-venv/installed: deploy/triton/requirements.txt
	$(BIN)/python -m venv --clear .triton-venv
	.triton-venv/bin/pip install --quiet --no-deps --requirement $<
	touch $@

milvus-env: .milvus-venv/installed # a Milvus server, which tests marked `milvus` start

.milvus-venv/installed:
	$(BIN)/python -m venv --clear .milvus-venv
	.milvus-venv/bin/pip install --quiet milvus==2.3.5
	touch $@

image: # builds localhost/videotag, the service; with BUILDER=podman by podman
	$(BUILD) --target service --tag localhost/videotag .

image-batch: # builds localhost/videotag-batch, for jobs: without port and health check
	$(BUILD) --target batch --tag localhost/videotag-batch .

deploy-check: # lints and schemas of deploy/, tests of the alerts; lists what is skipped because a tool is missing
	deploy/check.sh
