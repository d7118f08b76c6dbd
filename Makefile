# `make run` and `make test` need Python 3.11 or later with pip and venv, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
ADDRESS = $(HOST:%=--host=%) $(PORT:%=--port=%)
export UV_NO_PROGRESS := 1

.PHONY: help run dev test check format lock bench drill clean

help:
	@echo 'make run     set up a first start and serve on http://127.0.0.1:8000 (PORT=, HOST=)'
	@echo 'make dev     the same, and restart when the code changes'
	@echo 'make test    run all tests, on SQLite and on real PostgreSQL and Valkey'
	@echo 'make check   check format, lint, types, imports, lock files, generated files'
	@echo 'make format  format the code and generate files, so that `make check` passes'
	@echo 'make bench   compare the cost with bare FastAPI and a raw ASGI application'
	@echo 'make drill   kill the mail worker, stop Redis, compare response times, send hostile requests'
	@echo 'make lock    resolve the dependencies again into requirements/'

run: $(VENV)/base
	@$(BIN)/python -m app setup
	@exec $(BIN)/python -m app serve $(ADDRESS)

dev: $(VENV)/base
	@$(BIN)/python -m app setup
	@exec $(BIN)/python -m app dev $(ADDRESS)

test: $(VENV)/dev
	$(BIN)/python -m pytest --numprocesses=auto $(ARGS)

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	sh requirements/check.sh $(UV)
	$(BIN)/python -m reference --check

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m reference

# SCALE=1 measures a million products instead.
bench: $(VENV)/dev
	$(BIN)/python -m $(if $(SCALE),bench.scale,bench) $(ARGS)
	$(if $(SCALE),,$(BIN)/python -m bench.edge)

drill: $(VENV)/dev
	$(BIN)/python -m drills.outbox $(ARGS)
	$(BIN)/python -m drills.timing $(ARGS)
	$(BIN)/python -m drills.redis_outage
	SCHEMATHESIS_SECONDS=300 $(BIN)/python -m pytest tests/test_schemathesis.py

lock: $(VENV)/dev
	$(LOCK) --upgrade pyproject.toml --output-file requirements/base.txt
	$(LOCK) --upgrade pyproject.toml --group dev --output-file requirements/dev.txt
	$(LOCK) --upgrade --group bootstrap --output-file requirements/uv.txt

clean:
	rm -rf $(VENV) var dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A stamp file for each set of requirements. Without uv, plain pip installs them.
$(VENV)/base: requirements/base.txt pyproject.toml
	@$(MAKE) --no-print-directory install REQUIREMENTS=$< STAMP=$@

$(VENV)/dev: requirements/dev.txt requirements/base.txt pyproject.toml
	@$(MAKE) --no-print-directory install REQUIREMENTS=$< STAMP=$@

.PHONY: install
install:
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; choose one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo 'Creating $(VENV).'; $(PYTHON) -m venv $(VENV); }
	@test -x $(UV) || $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt || echo 'Without uv: pip takes a little longer.'
	@echo "Installing $$(grep -c == $(REQUIREMENTS)) packages; the first time takes about half a minute."
	@if test -x $(UV); \
	then $(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement $(REQUIREMENTS); \
	else $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(REQUIREMENTS); fi
	@if test -x $(UV); \
	then $(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .; \
	else $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .; fi \
	|| echo 'The command could not be installed; `python -m app` does the same.'
	@touch $(STAMP)
