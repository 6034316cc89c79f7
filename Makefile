# One word per job; each does what must come before it. `make` alone says what there is.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# most of a test is waiting, so more run side by side than there are processors; tests/conftest.py says which may
TESTS := unit policies lab backends engine acceptance faults
SIDE_BY_SIDE ?= 4
PROOFS := playbooks isolation cluster drift

.DEFAULT_GOAL := help
.PHONY: help up fleet-up test test-proofs test-vault test-browser lint lab-up lab-down lab-reset lab-status clean bootstrap

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: ## tools and Python environment, as far as they are missing
	@tools/bootstrap

up: bootstrap ## everything: lab, servers, city platform, pilot units, proof
	@donvi lab open

fleet-up: bootstrap ## `make up`, then all 168 units, pilots first; ARGS are `donvi up`'s, e.g. ARGS=--no-gates
	@donvi lab run sh -ec 'donvi lab open; eval "$$(donvi lab env)"; exec donvi up --all $(ARGS)'

test: bootstrap ## the tests, on the real servers; the lab is opened first and held meanwhile
	@donvi lab run sh -ec 'donvi lab open; eval "$$(donvi lab env)"; exec python -m pytest -n $(SIDE_BY_SIDE) $(addprefix tests/,$(TESTS)) $(ARGS)'

test-proofs: bootstrap ## the long ones: every role twice and in check mode, isolation of all pairs of units with mutants, drift of every type
	@donvi lab run sh -ec 'donvi lab open; eval "$$(donvi lab env)"; exec python -m pytest $(addprefix tests/,$(PROOFS)) $(ARGS)'

test-vault: bootstrap ## the Vault adapter's tests against HashiCorp Vault (built once, minutes)
	@DONVI_TEST_VAULT="$$(python -m lab.tools vault)" python -m pytest tests/backends/test_vault_*.py tests/backends/test_pki_*.py $(ARGS)

test-browser: ## a unit's page in a real browser, by eye and by axe; pictures in reports/browser
	@tools/bootstrap --browser
	@python -m pytest tests/browser $(ARGS)

lint: bootstrap ## style, types, import boundaries, playbooks
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports
	@ansible-lint --offline playbooks

lab-up: bootstrap ## the machines alone
	@donvi lab up

lab-down: bootstrap ## stop the machines: nothing left on the host but disks and state
	@donvi lab down

lab-reset: bootstrap ## stop the machines and delete disks, keys and state
	@donvi lab reset --yes

lab-status: bootstrap ## which machines run, who holds the lab
	@donvi lab status

clean: ## what tests and linters leave in the clone
	@rm -rf reports .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .ansible
