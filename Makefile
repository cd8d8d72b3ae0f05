# Ropewalk: two commands do everything, set-up included: `make demo` and `make test`. `make help` lists all commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# kind where a Docker engine answers, the embedded cluster elsewhere; `make CLUSTER=kind|local ...` forces one.
ifndef CLUSTER
CLUSTER := $(shell docker info >/dev/null 2>&1 && echo kind || echo local)
endif
PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ropewalk
TAG ?= dev
BIN := .venv/bin

ifeq ($(CLUSTER),local)
export PATH := $(CACHE)/bin/k8s-v1.35.4:$(PATH)
KUBECONFIG_FILE = $(shell $(PYTHON) -m tools.localcluster kubeconfig)
else
KUBECONFIG_FILE = $(CACHE)/kind.kubeconfig
endif

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

NATIVE := server_image/ropewalk_server/native

.venv/ready: locks/dev.txt pyproject.toml $(wildcard $(NATIVE)/*.[ch]) $(NATIVE)/build.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r locks/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m ropewalk_server.native.build
	touch $@

cluster: cluster-$(CLUSTER)  ## a real Kubernetes on this machine, kept running

cluster-local:
	$(PYTHON) -m tools.localcluster up

cluster-kind: kind-present
	mkdir -p $(CACHE)
	kind get clusters | grep -qx ropewalk || kind create cluster --name ropewalk --config kind-config.yaml --kubeconfig $(CACHE)/kind.kubeconfig

kind-present:
	@command -v kind >/dev/null || { echo "kind is not on the PATH: see https://kind.sigs.k8s.io/docs/user/quick-start/#installation, or say CLUSTER=local for the embedded cluster" >&2; exit 1; }

images: cluster  ## the operator's, the trainer's and the server's image, built and loaded if their inputs changed
	$(PYTHON) -m tools.images --cluster $(CLUSTER) update --tag $(TAG)

install: images .venv/ready  ## the resources and the operator, into the cluster
	export KUBECONFIG=$(KUBECONFIG_FILE); \
	kubectl apply --server-side --force-conflicts -k manifests; \
	inputs=$$($(PYTHON) -m tools.images --cluster $(CLUSTER) installed-digest); \
	kubectl -n ropewalk-system patch deployment/ropewalk-operator --patch \
	  "{\"spec\": {\"template\": {\"metadata\": {\"annotations\": {\"ropewalk.dev/inputs\": \"$$inputs\"}}}}}"; \
	kubectl -n ropewalk-system rollout status deployment/ropewalk-operator --timeout=120s

demo: install  ## the main job, end to end, on this machine; leaves the cluster running
	KUBECONFIG=$(KUBECONFIG_FILE) $(BIN)/python -m examples.demo

demo-down: $(if $(filter kind,$(CLUSTER)),kind-present)  ## ends what `make demo` left running
	if [ "$(CLUSTER)" = kind ]; then kind delete cluster --name ropewalk; else $(PYTHON) -m tools.localcluster down; fi

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy contract/ropewalk_contract operator/ropewalk model/ropewalk_model trainer_image/ropewalk_trainer server_image/ropewalk_server tools
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/lint-imports
	$(BIN)/python -m ropewalk_contract.api.crd --check
	$(BIN)/python -m tools.reference --check
	$(BIN)/python -m tools.commit_subjects

check: lint  ## format, lint, types, layers, generated files, and all tests without TensorFlow, a trained model or a cluster
	ROPEWALK_TEST_PERCENT=20 $(BIN)/pytest -q -m "not slow" -n 2 --dist=worksteal --durations=15 tests

test: lint install  ## everything, each test once: the tests of `check`, and those with TensorFlow, an API server and real pods
	KUBECONFIG=$(KUBECONFIG_FILE) $(BIN)/pytest --cov --cov-report=term:skip-covered --durations=15 tests

test-all: lint install  ## `test` with mutations of messages for a quarter of an hour and the sanitizers over as many numbers
	KUBECONFIG=$(KUBECONFIG_FILE) ROPEWALK_FUZZ_EXAMPLES=100000 $(BIN)/pytest --durations=15 tests

fuzz: .venv/ready  ## mutated messages against the server's decoders for a quarter of an hour, no cluster
	ROPEWALK_FUZZ_EXAMPLES=100000 $(BIN)/pytest -q tests/fuzz

audit: .venv/ready  ## known vulnerabilities and licenses of the locked packages; VULNERABILITIES=skip where no index tells
	$(BIN)/python -m tools.audit $(if $(filter skip,$(VULNERABILITIES)),--skip-vulnerabilities) locks/*.txt

generate: .venv/ready  ## crds/, docs/reference/ and the server's protobuf modules, from their sources
	$(BIN)/python -m ropewalk_contract.api.crd
	$(BIN)/python -m tools.reference
	server_image/ropewalk_server/protocols/protos/update.sh

bench: install  ## the figures of benchmarks/README.md, one JSON object a line
	KUBECONFIG=$(KUBECONFIG_FILE) $(BIN)/python -m benchmarks

bench-serving: .venv/ready  ## our server beside its peers on this machine, no cluster; ARGS='--only single --seconds 2'
	$(BIN)/python -m benchmarks.serving $(ARGS)

clean:  ## the build's leftovers in this folder (never the cluster's cache)
	rm -rf .venv $(NATIVE)/native.so .pytest_cache .mypy_cache .ruff_cache .coverage

.PHONY: help cluster cluster-local cluster-kind kind-present images install demo demo-down lint check test test-all fuzz audit generate bench bench-serving clean
