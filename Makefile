# Python 3.11 or newer and make are enough: each target builds the environment it needs under .venv/,
# and builds it again only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
PORT ?= 8000
AVP_PORT ?= 8180
# The example is told where it is: its issuer is asked over HTTP, as a user pool would be.
SERVE = EXAMPLE_URL=http://127.0.0.1:$(PORT) $(DEMO)/bin/python manage.py runserver 127.0.0.1:$(PORT)
# What decides in make demo-avp.
AVP_ENGINE ?= django_avp.engines.verified_permissions.VerifiedPermissionsEngine
# The tests that depend on the database.
ON_DATABASES := tests/entities tests/filtering tests/planning tests/test_authorization.py tests/test_flow.py \
	tests/test_lists.py tests/test_rules_a.py tests/test_rules_b.py tests/test_rules_c.py tests/test_rules_d.py \
	tests/test_users.py
# The tests that reach no line that others do not: they take a third of the time where nobody notes what they reach.
NOT_MEASURED := tests/costs/test_requests.py tests/deployment/test_schema_order.py tests/engines/test_tenants.py \
	tests/example tests/explanation/test_generated.py tests/faults/test_synced_sites.py tests/filtering/test_generated.py \
	tests/hostile tests/isolation/test_users.py tests/planning/test_generated.py tests/test_docs.py
# How many times 125 sets of policies make fuzz tries on each database, and where it begins.
FUZZ ?= 170
FUZZ_SEED ?= 1
# Whether the database of a target is there.
ANSWERS = TEST_DATABASE=$* DJANGO_SETTINGS_MODULE=tests.settings $(DEV)/bin/python -c 'import django; django.setup(); \
	from django.db import connection as c; c.vendor == "sqlite" or c._nodb_cursor().__enter__()' >/dev/null 2>&1
# The tests that have a long form (tests/soak.py).
SOAKED := tests/hostile tests/faults tests/web tests/edges tests/isolation/test_users.py
# The tests that meet every package of the users', and what of those the tests need.
ON_FLOORS := tests/test_cedar.py tests/test_dependencies.py tests/test_flow.py tests/test_ninja.py tests/test_panels.py \
	tests/test_telemetry.py tests/test_templating.py tests/engines/test_verified_permissions.py tests/rest_framework \
	tests/signin tests/testing/test_plugin.py tests/testing/test_policy_yaml.py tests/tokens
FLOORS_TOOLS := adrf hypothesis opentelemetry-sdk "psycopg[binary]" PyMySQL pytest-randomly schemathesis
# The browser of make browser.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
# A directory in which every test run leaves a JUnit report.
REPORTS ?=

# constraints.txt gives each of these the Django it is tested with.
PYTHONS := 3.11 3.12 3.13

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
DEV := .venv/dev-$(VERSION)
DEMO := .venv/demo-$(VERSION)
DOCS := .venv/docs-$(VERSION)
BENCH := .venv/bench-$(VERSION)
FLOORS := .venv/floors-$(VERSION)
AUDIT := .venv/audit-$(VERSION)
SCREENSHOTS := .venv/screenshots-$(VERSION)
MUTANTS := .venv/mutants-$(VERSION)
PYTEST = pytest $(if $(REPORTS),--junitxml=$(REPORTS)/$@-$(VERSION).xml)

# Settings of another project in the caller's shell would be taken for ours, the engine is for the site alone, the
# browser for its own tests, and so is how much make fuzz tries.
unexport DJANGO_SETTINGS_MODULE AVP_ENGINE CHROMIUM FUZZ FUZZ_SEED

.DEFAULT_GOAL := help
.PHONY: help demo demo-avp test test-measured test-others policies lint format matrix floors audit databases fuzz soak javascript browser bench docs mutants screenshots suite clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO)/installed ## Run the example on http://127.0.0.1:8000/ (another port: make demo PORT=8080)
	$(DEMO)/bin/python manage.py migrate --verbosity 0
	$(DEMO)/bin/python manage.py seed_demo
	@echo "The example: http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"
	$(SERVE)

demo-avp: $(DEMO)/installed ## Run the example on a local endpoint in the place of Amazon Verified Permissions
	$(DEMO)/bin/python manage.py migrate --verbosity 0
	$(DEMO)/bin/python manage.py seed_demo
	@$(DEMO)/bin/python manage.py avp_serve --port $(AVP_PORT) & endpoint=$$!; trap 'kill $$endpoint' EXIT; \
	echo "The example: http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"; \
	AVP_ENGINE=$(AVP_ENGINE) AVP_POLICY_STORE_ID=local \
	AWS_ENDPOINT_URL=http://127.0.0.1:$(AVP_PORT) AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=local \
	AWS_SECRET_ACCESS_KEY=local $(SERVE)

test: test-measured test-others ## Run the tests; every line and branch of django_avp must be covered

test-measured: $(DEV)/installed
	$(DEV)/bin/coverage erase
	$(DEV)/bin/coverage run -m $(PYTEST) $(addprefix --ignore=,$(NOT_MEASURED))
	$(DEV)/bin/coverage combine --quiet
	$(DEV)/bin/coverage report

test-others: $(DEV)/installed
	$(DEV)/bin/python -m $(PYTEST) $(NOT_MEASURED)

policies: $(DEV)/installed ## Validate and test the example's policies; each of them must determine a decision
	$(DEV)/bin/python manage.py avp_schema --check
	$(DEV)/bin/python manage.py avp_validate --fail-level warning
	$(DEV)/bin/python -m pytest $(if $(REPORTS),--junitxml=$(REPORTS)/policies.xml) --ds=example_project.settings \
		--avp-cov --avp-cov-fail-under=100 example_project/policy_tests

lint: $(DEV)/installed ## Check style, formatting and types
	$(DEV)/bin/ruff check
	$(DEV)/bin/ruff format --check
	$(DEV)/bin/mypy

format: $(DEV)/installed ## Format the code and mend what ruff can mend
	$(DEV)/bin/ruff check --fix-only
	$(DEV)/bin/ruff format

matrix: $(addprefix matrix-,$(filter-out $(VERSION),$(PYTHONS))) ## Run the tests on the other supported Pythons found here, each with its Django

matrix-%:
	@for candidate in python$* "$$(pyenv root 2>/dev/null)"/versions/$**/bin/python$*; do \
		if "$$candidate" -c 'import ensurepip' >/dev/null 2>&1; then \
			exec $(MAKE) --no-print-directory suite PYTHON="$$candidate"; \
		fi; \
	done; \
	echo "Python $* was not found here: its tests were left out"

floors: $(FLOORS)/installed ## Run the tests that meet other packages with the lowest versions that pyproject.toml declares
	$(FLOORS)/bin/python -m pytest -c $(FLOORS)/pytest.ini --rootdir . \
		$(if $(REPORTS),--junitxml=$(REPORTS)/floors.xml) $(ON_FLOORS)

audit: $(AUDIT)/installed ## Look for known vulnerabilities of the pinned versions; needs PyPI's own JSON API
	$(AUDIT)/bin/pip-audit --progress-spinner off --strict --no-deps --disable-pip \
		--requirement constraints.txt

databases: $(addprefix database-,postgresql mariadb) ## Run the tests on the database servers found on the loopback address

database-%: $(DEV)/installed
	@if $(ANSWERS); then \
		TEST_DATABASE=$* $(DEV)/bin/python -m pytest $(if $(REPORTS),--junitxml=$(REPORTS)/$*.xml) $(ON_DATABASES); \
	else \
		echo "No $* server answered on 127.0.0.1: its tests were left out"; \
	fi

fuzz: $(addprefix fuzz-,sqlite postgresql mariadb) ## Compare lists with single checks, for FUZZ times 125 generated sets of policies on each database

fuzz-%: $(DEV)/installed
	@if $(ANSWERS); then \
		TEST_DATABASE=$* FUZZ=$(FUZZ) FUZZ_SEED=$(FUZZ_SEED) $(DEV)/bin/python -m pytest \
			$(if $(REPORTS),--junitxml=$(REPORTS)/fuzz-$*.xml) tests/filtering/test_generated.py; \
	else \
		echo "No $* server answered on 127.0.0.1: its lists were not compared"; \
	fi

soak: $(DEV)/installed ## Attack, load and break the site for as long as it takes; the other tests have short forms of this
	SOAK=1 $(DEV)/bin/python -m pytest $(if $(REPORTS),--junitxml=$(REPORTS)/soak.xml) $(SOAKED)

mutants: $(MUTANTS)/installed ## Change the code in small ways, and tell which changes no test notices (hours; make mutants ONLY=sealing: seconds)
	$(MUTANTS)/bin/python -m tests.mutants $(ONLY)

javascript: $(DEV)/installed ## Ask the local endpoint with AWS's clients for JavaScript, if npm is found here
	@if command -v npm >/dev/null 2>&1; then \
		npm install --prefix tests/javascript --no-package-lock --no-audit --no-fund --silent && \
		$(DEV)/bin/python -m pytest $(if $(REPORTS),--junitxml=$(REPORTS)/javascript.xml) tests/testing/test_javascript.py; \
	else \
		echo "npm was not found here: the tests with AWS's clients for JavaScript were left out"; \
	fi

browser: $(DEV)/installed ## Use the example in Chromium, on a phone and on a desktop, if a Chromium is found here
	@if [ -n "$(CHROMIUM)" ]; then \
		CHROMIUM="$(CHROMIUM)" $(DEV)/bin/python -m pytest $(if $(REPORTS),--junitxml=$(REPORTS)/browser.xml) tests/browser; \
	else \
		echo "No Chromium was found here: the tests in a browser were left out"; \
	fi

bench: $(BENCH)/installed ## Measure all in one run, and write benchmarks/RESULTS.md (QUICK=1 only proves that it runs)
	$(BENCH)/bin/python -m benchmarks $(if $(QUICK),--quick)

docs: $(DOCS)/installed ## Build the documentation into build/docs/; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --config-file docs/tools/mkdocs.yml
	@echo "The documentation: build/docs/index.html"

screenshots: $(SCREENSHOTS)/installed ## Make the pictures of the documentation anew, from the running example
	PYTHONPATH=. $(SCREENSHOTS)/bin/python docs/tools/screenshots.py

suite: $(DEV)/installed
	@$(DEV)/bin/python -c 'import django, platform; print("Python", platform.python_version(), "with Django", django.__version__)'
	$(DEV)/bin/python -m $(PYTEST)

clean: ## Remove environments, caches and builds (not the data of the example)
	rm -rf .venv tests/javascript/node_modules build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(FLOORS)/installed: pyproject.toml constraints.txt tests/floors.py
	$(PYTHON) -m venv --clear $(@D)
	$(PYTHON) -m tests.floors $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(@D)/floors.txt \
		--editable '.[aws,drf,jinja2,ninja,openapi,opentelemetry,signin,testing,toolbar]' $(FLOORS_TOOLS)
	@touch $@

$(AUDIT)/installed:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	@touch $@

.venv/%/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "django-avp needs Python 3.11 or newer, and $(PYTHON) is $(or $(VERSION),not there):" \
			"name another with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[$(firstword $(subst -, ,$*))]'
	@touch $@
