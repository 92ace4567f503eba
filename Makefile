# Groundwork: the two commands are `make local` and `make test`; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := $(CURDIR)/.groundwork/venv
export PATH := $(VENV)/bin:$(PATH)
export PYTHONPATH := $(CURDIR)/module_utils
# Plain text where nobody watches a terminal.
export ANSIBLE_FORCE_COLOR ?= $(if $(CI),0,)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## everything this machine needs; skipped where done
	@scripts/setup

.PHONY: local
local: setup ## set up, then the whole estate on this machine
	ansible-playbook site.yml -i inventories/local

.PHONY: destroy-local
destroy-local: ## take the local estate down (caches stay; make clean-cache removes them)
	ansible-playbook playbooks/local/down.yml -i inventories/local

.PHONY: clean-cache
clean-cache: destroy-local ## remove images, archives and wheels too
	-$(VENV)/bin/podman system reset --force
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/groundwork"

.PHONY: images
images: ## build the container images of the embedded estate
	python -m groundwork.estate.images

.PHONY: lint
lint: ## ansible-lint, yamllint, ruff, mypy, terraform fmt, shellcheck
	@scripts/lint

.PHONY: test
test: setup ## everything a change must pass (SUITES="unit lint" for some)
	@scripts/test $(SUITES)

.PHONY: test-unit
test-unit: ## unit tests alone
	python -m pytest tests/unit

.PHONY: test-terraform
test-terraform: ## components and modules of Terraform against the embedded AWS
	python -m pytest tests/terraform

.PHONY: test-molecule
test-molecule: ## molecule scenarios one after the other
	for scenario in kafka shared_database; do molecule test -s $$scenario || exit 1; done

.PHONY: test-estate
test-estate: ## the whole estate: twice, broken by hand, repaired
	python -m pytest tests/estate

.PHONY: bench
bench: setup ## seconds and memory of the cold, warm and no-op run, by phase
	python tests/bench/bench.py
