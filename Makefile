# Two commands are all you need: `make run` and `make test`. `make help` lists the others.
.DEFAULT_GOAL := help
PY := .venv/bin/python
FLASK := .venv/bin/flask --app app

.PHONY: help setup setup-test run run-fresh test check format lock bench pictures clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/.runtime: requirements.txt scripts/setup.sh
	@scripts/setup.sh runtime

.venv/.dev: requirements.txt requirements-dev.txt scripts/setup.sh
	@scripts/setup.sh dev

.venv/.test: .venv/.dev scripts/setup-test.sh
	@scripts/setup-test.sh

setup: .venv/.runtime ## Make .venv and install what the service needs

setup-test: .venv/.test ## The same, and what tests and checks need (PostgreSQL, Chromium)

run: .venv/.runtime ## Set everything up and run it with a demo region: http://127.0.0.1:8000 (PORT=… changes it)
	@scripts/run.sh

run-fresh: .venv/.runtime ## The same from an empty database: the demo's data is lost
	@rm -f instance/booking.db instance/booking.db-journal instance/demo-sign-ins.json
	@scripts/run.sh

test: .venv/.test ## Set everything up and run all tests, on SQLite and PostgreSQL and in a browser
	@$(PY) -m pytest -n auto --dist loadfile $(ARGS)

check: .venv/.dev ## Lint, types, import rules, migrations in step with the models
	@echo "==> ruff"; .venv/bin/ruff check . && .venv/bin/ruff format --check .
	@echo "==> mypy --strict"; .venv/bin/mypy
	@echo "==> import rules"; .venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@echo "==> migrations"; dir=$$(mktemp -d); export DATABASE_URL=sqlite:///$$dir/check.db SECRET_KEY=$$(printf 'x%.0s' $$(seq 40)); \
		$(FLASK) db upgrade && $(FLASK) db check; result=$$?; rm -rf $$dir; exit $$result

format: .venv/.dev ## Put the code into shape
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

lock: .venv/.dev ## Resolve requirements*.in into the hash-locked requirements*.txt
	@for name in requirements requirements-dev requirements-uv; do \
		.venv/bin/uv pip compile -q --upgrade --generate-hashes --python-version 3.11 --universal -o $$name.txt $$name.in; done

bench: .venv/.test ## Measure what docs/measurements.md reports
	@$(PY) -m benchmarks

pictures: .venv/.test ## Take the pictures of README and guides from a running demo (ROLE=patient: one role’s)
	@$(PY) scripts/screenshots.py $(ROLE)

clean: ## Remove .venv and caches (not the data in instance/)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
