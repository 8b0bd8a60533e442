# Two-line wrappers, nothing hidden. Every target works on a fresh clone with Python 3.11+, pip, make and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DISTRIBUTIONS := client_sdk server loadtest
PIP_FLAGS := --quiet --no-compile --disable-pip-version-check

.PHONY: up demo test check bench surge docs lock swift install
install: .venv/installed

# pip brings uv, checked against the lock's own hash; uv does the rest in seconds. Where only pip
# knows the way to a package index (a mirror in pip.conf), pip does it all.
.venv/installed: requirements.lock $(DISTRIBUTIONS:%=%/pyproject.toml)
	$(PYTHON) -m venv .venv
	@awk '/^[a-z]/ {uv = /^uv==/} uv' requirements.lock | $(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r /dev/stdin
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock || $(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e ./%)
	@touch $@

up: install
	$(BIN)/hodhod up

demo: install
	$(BIN)/hodhod-loadtest demo

# Most tests wait for engines and clocks, so two processes take half the time; each has its own engines.
test: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile

check: install
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/pytest -q tests/test_architecture.py tests/test_documents.py

bench: install
	$(BIN)/hodhod-loadtest bench --out build/bench.json

surge: install
	$(BIN)/hodhod-loadtest surge --out build/surge

docs: install
	$(BIN)/python -m docs.generate

lock: install
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-emit-package hodhod --group dev --extra embedded $(DISTRIBUTIONS:%=%/pyproject.toml) -o requirements.lock

# A real object store for the tests of S3, in an environment of its own: it is thirty packages.
swift: build/swift/installed

build/swift/installed: tests/swift/requirements.txt
	$(PYTHON) -m venv build/swift
	@build/swift/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r tests/swift/requirements.txt
	@touch $@
