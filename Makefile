SHELL := /bin/bash
.DEFAULT_GOAL := help

# Divisions that the demo synchronises: 1409 is 忻州市, 14 all of 山西省.
SCOPE ?= 1409
PYTEST_ARGS ?=
PYTHON := .venv/bin/python
COMPILE := uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11

.PHONY: help setup demo stop clean test lint lock bench-first-load bench-no-change bench-churn bench-guard bench-watch bench-console bench-permissions bench-bridge bench-lifecycle

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: programs, .venv, Keycloak
	@deploy/setup.sh

demo: setup ## Start Keycloak, slapd and login by card, synchronise 忻州 (SCOPE=14: all of 山西)
	@$(PYTHON) -m deploy.demo up --scope $(SCOPE)

stop: ## Stop the demo's servers; its data stays
	@if [[ -x $(PYTHON) ]]; then $(PYTHON) -m deploy.demo stop; fi

clean: stop ## Stop the demo and remove its data
	@rm -rf .demo

test: setup lint ## Lint, then every test
	$(PYTHON) -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: ## ruff, mypy, import-linter
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

lock: ## Resolve requirements/*.in again, with hashes (needs uv)
	$(COMPILE) requirements/runtime.in -o requirements/runtime.txt
	$(COMPILE) requirements/development.in -o requirements/development.txt

bench-first-load: setup ## Keycloak's own LDAP federation and quanheng, 5,000 people, side by side
	$(PYTHON) -m bench.first_load

bench-no-change: setup ## 30,000 people, nothing changed
	$(PYTHON) -m bench.no_change

bench-churn: setup ## 30,000 people, 1% changed
	$(PYTHON) -m bench.churn

bench-guard: setup ## The same grants with the guard's 300 rules and without
	$(PYTHON) -m bench.guarded_grants

bench-watch: setup ## Fifty forbidden grants a second, then a sweep of 100,000 users
	$(PYTHON) -m bench.exposure
	$(PYTHON) -m bench.sweep

bench-console: setup ## The console's pages as each kind of administrator, 60,000 people in all of 山西
	$(PYTHON) -m bench.console

bench-permissions: setup ## All permissions of 山西, next to the bare REST calls
	$(PYTHON) -m bench.permissions

bench-bridge: setup ## Login by card: 3,000 pages that wait, and logins next to Keycloak's own by password
	$(PYTHON) -m bench.bridge

bench-lifecycle: setup ## A night over 100,000 accounts, next to a script that asks Keycloak about each
	$(PYTHON) -m bench.lifecycle
