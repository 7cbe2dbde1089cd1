# Two commands matter: `make run` and `make test`. Both create the environment first if it doesn't exist.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.lock
# The AWS emulator of tests/emulator has its own environment, because it pins another botocore than ours.
EMULATOR := .emulator
EMULATED := $(EMULATOR)/installed.lock
# Ends tests that hang. All tests take about 16 minutes on two cores; a busy machine needs more.
TEST_SECONDS := 3600
BOUNDED := $(shell command -v timeout >/dev/null 2>&1 && echo timeout --foreground --signal=INT --kill-after=20 $(TEST_SECONDS))
# Settings of a deployment, because Django's deployment checks mean nothing with others.
AS_DEPLOYED := DEBUG=0 SANDBOX=0 HTTPS=1 ALLOWED_HOSTS=example.org EMAIL_URL=smtp://localhost:25 \
	SITE_URL=https://example.org DEFAULT_FROM_EMAIL=panel@example.org \
	SECRET_KEY=used-by-the-checks-alone-0123456789-abcdefghijklmnopqrstuvwxyz
AS_SANDBOX := DEBUG=0 SANDBOX=1
# Otherwise every process compiles all our modules, and tests start many processes.
unexport PYTHONDONTWRITEBYTECODE
# tests/scheduler.py decides how many workers run and which tests each gets.
ON_ALL_CORES := -n auto --dist loadfile
# Targets that run in parallel print their output one after the other, if this make can.
AT_ONCE := --no-print-directory --jobs=$(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) \
	$(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
# The slowest first.
LINTS := lint-types lint-security lint-deployment lint-templates lint-imports lint-style
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml

MODULE ?= domains/spf/core/grammar.py
TESTS ?= tests/domains/records/test_core.py tests/domains/diagnosis/test_core.py

.PHONY: help run manage check test emulator soak fuzz coverage mutate bench house faults machines figures confusion fill load css lock format
.PHONY: sbom screenshots clean lint $(LINTS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED) ## start everything on this machine: database, sandbox, worker, web (PORT=8000 HOST=127.0.0.1 SANDBOX=1)
	@$(BIN)/python -m sandbox.local run

manage: $(INSTALLED) ## run a manage.py command on the data of `make run`: make manage DO=createsuperuser
	@$(BIN)/python -m sandbox.local manage $(DO)

check: lint ## the quick gate: lint, types, contracts, migrations, tests without a browser
	$(BIN)/python -m pytest $(ON_ALL_CORES) -m "not browser and not soak and not emulator"

test: css ## all of check, and the browser tests; about 17 minutes on two cores
	@$(MAKE) $(AT_ONCE) emulator $(LINTS)
	$(BOUNDED) $(BIN)/python -m pytest -rs $(ON_ALL_CORES) -m "not soak"

emulator: $(EMULATED) ## install the AWS emulator that tests/emulator uses

soak: css ## tests that take longer than CI allows
	$(BIN)/python -m pytest -rs -m soak

fuzz: $(INSTALLED) ## send the API random requests, others each time (FUZZ_EXAMPLES=300 for each operation)
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),300) $(BIN)/python -m pytest -rs tests/test_api_fuzz.py

coverage: css ## list the branches without a test, browser tests excluded
	$(BIN)/python -m pytest $(ON_ALL_CORES) -q --cov --cov-report=term -m "not browser and not soak"

mutate: $(INSTALLED) ## mutate a module and list what its tests miss (MODULE=domains/spf/core/grammar.py TESTS=...)
	@rm -rf .mutation && mkdir .mutation
	@printf '[cosmic-ray]\nmodule-path = "%s"\ntimeout = 60.0\nexcluded-modules = []\ntest-command = "%s"\n[cosmic-ray.distributor]\nname = "local"\n' \
		"$(MODULE)" "$(BIN)/python -m pytest -q -x -p no:cacheprovider $(TESTS)" > .mutation/run.toml
	$(BIN)/cosmic-ray init .mutation/run.toml .mutation/run.sqlite
	$(BIN)/cosmic-ray --verbosity=ERROR baseline .mutation/run.toml
	$(BIN)/cosmic-ray exec .mutation/run.toml .mutation/run.sqlite
	$(BIN)/cr-report --show-diff --surviving-only .mutation/run.sqlite

bench: css ## run the benchmarks, print a table, write benchmarks/latest.json (ONLY="startup pages")
	@$(BIN)/python -m benchmarks $(ONLY)

faults: css ## run every workflow with a fault at each of its calls, about an hour; write benchmarks/faults.json (ONLY="pause resume", ONLY=--missing)
	@$(BIN)/python -m benchmarks.faults $(ONLY)

machines: css ## kill, cut off and restart three web servers and three workers in network namespaces; as root (MACHINES_SECONDS=600 MACHINES_SEED=)
	@$(BIN)/python -m benchmarks.machines

figures: $(INSTALLED) ## write docs/figures.md from the last results of bench, faults and machines
	@$(BIN)/python -m benchmarks.figures

fill: $(INSTALLED) ## fill the empty database of DATABASE_URL with a large operator's data (DOMAINS=100000)
	@$(BIN)/python manage.py migrate -v0
	@$(BIN)/python -m benchmarks.data $(DOMAINS)

house: $(INSTALLED) ## measure modules, lines and imports of the product; list what exceeds a limit
	@$(BIN)/python -m benchmarks.house

load: css ## compare our pages and a bare Django admin with eight clients, on the filled database of DATABASE_URL
	@$(BIN)/python -m benchmarks.load

confusion: css ## diagnose each DNS mistake, correct zones, and zones with each lookup failed
	@$(BIN)/python -m benchmarks confusion

css: $(INSTALLED) ## build static/build/site.css
	@$(BIN)/python -m inbound_admin.css

lint: css
	@$(MAKE) $(AT_ONCE) $(LINTS)

lint-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-security:
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml .

lint-templates:
	$(BIN)/djlint templates --lint --quiet
	find templates -name '*.html' ! -path templates/components/time.html -exec $(BIN)/djade --check {} +

lint-types:
	$(AS_SANDBOX) $(BIN)/mypy

lint-imports:
	$(BIN)/lint-imports

lint-deployment:
	$(BIN)/python -m sandbox.local with-postgres sh -c '\
		$(AS_DEPLOYED) $(BIN)/python manage.py check --deploy --fail-level WARNING && \
		$(AS_SANDBOX) $(BIN)/python manage.py makemigrations --check --dry-run'

format: $(INSTALLED) ## format Python and templates
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find templates -name '*.html' -exec $(BIN)/djade {} +

lock: $(INSTALLED) ## pin every package, with hashes and without index addresses
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		tests/emulator/requirements.in --output-file requirements-emulator.lock

sbom: $(INSTALLED) ## write sbom.json: name, version and hash of each package in production (CycloneDX)
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --short-PURLs --output-reproducible \
		--validate --output-format JSON --output-file sbom.json

screenshots: css ## take the pictures in docs/screenshots from the demo
	SCREENSHOTS=docs/screenshots $(BIN)/python -m pytest -rs tests/browser/test_demo.py

clean: ## remove everything that was built; the data in .local stays
	rm -rf $(VENV) $(EMULATOR) static/build staticfiles test-results benchmarks/latest.json benchmarks/faults.json benchmarks/machines.json
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Always pip, with the index and certificates that it is configured for; the hashes decide what is installed.
$(INSTALLED): requirements-dev.lock
	@$(PYTHON) -c '' 2>/dev/null || { \
		echo "Inbound Admin needs Python 3.11 or newer, and there is no $(PYTHON) here."; \
		echo "On Debian and Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Inbound Admin needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
		echo "Name a newer one: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "This Python comes without venv, which keeps our packages apart from the system's."; \
		echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the locked packages into $(VENV) (about a minute, once) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
		-r requirements-dev.lock
	@cp requirements-dev.lock $@

$(EMULATED): requirements-emulator.lock $(INSTALLED)
	@$(EMULATOR)/bin/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m venv --clear $(EMULATOR)
	@echo "Installing the second emulator into $(EMULATOR) ..."
	@$(EMULATOR)/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
		-r requirements-emulator.lock
	@cp requirements-emulator.lock $@
