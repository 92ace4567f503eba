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

.PHONY: setup-control
setup-control: ## the virtual environment alone, for lint, plans and playbooks against AWS
	@scripts/setup --control

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

.PHONY: report
report: ## the estate's health as one HTML file: [HOURS=1] [URL=http://…/prometheus] [TENANT=local] [PICTURES=folder]
	@python -m groundwork.observability.report --hours "$(or $(HOURS),1)" --url "$(URL)" --tenant "$(or $(TENANT),local)" \
	  $(if $(PICTURES),--pictures "$(PICTURES)")

.PHONY: open
open: ## where Prometheus, the report and the dashboards are; opens the report where there is a browser
	@python -m groundwork.observability.report --open --url "$(URL)" --tenant "$(or $(TENANT),local)"

.PHONY: images
images: ## build the container images of the embedded estate
	python -m groundwork.estate.images

.PHONY: alloy
alloy: setup ## build the real Alloy from its Go module (half an hour, once); the next `make local` runs it
	@python -m groundwork.estate.programs alloy

.PHONY: loki
loki: setup ## build the real Loki from its Go module (some minutes, once), for the drill `alloy`
	@python -m groundwork.estate.programs loki

.PHONY: problem-images
problem-images: ## build and push the problem service's images: ENV=dev [TAG=1.0.0]
	@python -m groundwork.problem_images --env "$(ENV)" --tag "$(TAG)"

.PHONY: lint
lint: ## ansible-lint, yamllint, ruff, mypy, terraform fmt, shellcheck, actionlint
	@scripts/lint

.PHONY: test
test: setup ## everything a change must pass (SUITES="unit lint" for some)
	@scripts/test $(SUITES)

.PHONY: drill
drill: setup ## the long proofs: all, or NAME="terraform-all", or those that fit into MINUTES=30
	@scripts/test --drill $(if $(MINUTES),--minutes $(MINUTES)) $(NAME)

.PHONY: test-unit
test-unit: ## unit tests alone
	python -m pytest tests/unit

.PHONY: test-terraform
test-terraform: ## components and modules of Terraform against the embedded AWS
	python -m pytest tests/terraform -n 2 --dist loadfile

.PHONY: test-databases
test-databases: ## the databases' modules against real servers: drift, privileges, rotation, dumps, migration, trouble
	python -m pytest tests/databases -n 2 --dist loadfile

.PHONY: test-molecule
test-molecule: ## molecule scenarios one after the other
	for scenario in kafka shared_database shared_database_postgresql; do molecule test -s $$scenario || exit 1; done

.PHONY: policy
policy: ## plan ENV (default dev and prod) without a cloud account and check it against policy/
	python -m groundwork.policy $(ENV)

.PHONY: cost
cost: ## what ENV costs in a month: make cost ENV=prod [COMPARE=dev] [PLANS=folder] [COMPARE_PLANS=folder]
	@python -m groundwork.cost $(or $(ENV),$(error ENV is missing: make cost ENV=prod)) $(if $(COMPARE),--compare $(COMPARE)) \
	  $(if $(PLANS),--plans $(PLANS)) $(if $(COMPARE_PLANS),--compare-plans $(COMPARE_PLANS))

.PHONY: test-estate
test-estate: ## the whole estate: twice, broken by hand, repaired
	python -m pytest tests/estate

.PHONY: bench
bench: setup ## seconds and memory of the cold, warm and no-op run, by phase
	python tests/bench/bench.py

.PHONY: service
service: ## add a service to the catalogs: NAME=orders [ENV=all] (docs/scaffold.md has the rest)
	python -m groundwork.scaffold service $(NAME) --env "$(or $(ENV),all)" $(ARGUMENTS)

.PHONY: environment
environment: ## add an environment: NAME=qa [FROM=dev] [ACCOUNT=<id>]
	python -m groundwork.scaffold environment $(NAME) --source "$(or $(FROM),dev)" --account "$(ACCOUNT)" $(ARGUMENTS)

.PHONY: execution-environment
execution-environment: ## build context of the container image in which AWX runs all this
	python -m groundwork.delivery.execution_environment

# Steps of the workflows; each runs on a laptop too, with the same variables. docs/delivery.md
.PHONY: ci-environments ci-settings ci-changed ci-plan ci-apply ci-site ci-drift ci-comment ci-issue ci-hooks ci-hook
ci-environments: ## environments that CI works on
	@scripts/ci/run environments
ci-settings: ## role and region: ENV=dev ROLE=plan
	@scripts/ci/run settings --env "$(ENV)" --role "$(ROLE)"
ci-changed: ## components to plan: BASE=origin/main
	@scripts/ci/run changed --base "$(BASE)"
ci-plan: ## plan: ENV=dev [COMPONENTS="10-network"]
	@scripts/ci/run plan --env "$(ENV)" --components "$(COMPONENTS)"
ci-apply: ## apply: ENV=dev [COMPONENTS=…] [CONFIRM=dev-60-kafka]
	@scripts/ci/run apply --env "$(ENV)" --components "$(COMPONENTS)" --confirm "$(CONFIRM)"
ci-site: ## what comes after Terraform: ENV=dev
	@scripts/ci/run site --env "$(ENV)" --confirm "$(CONFIRM)"
ci-drift: ## compare with the code: ENV=dev
	@scripts/ci/run drift --env "$(ENV)"
ci-comment: ## the plan as a comment of the pull request: ENV=dev
	@scripts/ci/run comment --env "$(ENV)"
ci-issue: ## open, update or close the drift issue: ENV=dev
	@scripts/ci/run issue --env "$(ENV)"
ci-hooks: ## hooks that are due: CRON="15 3 * * *"
	@scripts/ci/run hooks --cron "$(CRON)"
ci-hook: ## run a hook: HOOK=locks ENV=dev
	@scripts/ci/run hook --hook "$(HOOK)" --env "$(ENV)"

.PHONY: atlantis atlantis-plan atlantis-apply
atlantis: ## write atlantis.yaml from the components
	@scripts/ci/run atlantis
atlantis-plan: ## a step of Atlantis
	@scripts/ci/run atlantis-plan
atlantis-apply: ## a step of Atlantis
	@scripts/ci/run atlantis-apply
