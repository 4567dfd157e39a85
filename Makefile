# Everything goes through .venv, which `make setup` makes from requirements.lock; see CONTRIBUTING.md.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo test bench sim chaos soak lint dashboards lock wheel sbom audit clean
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/ready ## make .venv with everything in it

.venv/ready: requirements.lock pyproject.toml .ci/setup
	@PYTHON=$(PYTHON) .ci/setup
	@touch $@

demo: setup ## real orders through an embedded broker and a worker, live
	@$(BIN)/python -m streams demo

lint: setup ## ruff and mypy, on everything
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: lint ## lint, then every test
	@$(BIN)/python -m pytest -n 3 --dist loadgroup

bench: setup ## throughput beside the client's limit and other stream processors, memory per customer
	@$(BIN)/python -m tests.bench

sim: setup ## delivery under seeded faults in virtual time: make sim SEEDS=20000
	@$(BIN)/python -m tests.sim --seeds $(or $(SEEDS),2000)

chaos: setup ## N faults (100) by SEED (1) on Apache Kafka, and what they did; Ctrl-C ends it with the table so far
	@$(BIN)/python -m tests.chaos --faults $(or $(N),100) --seed $(or $(SEED),1) --json chaos.json

soak: setup ## load on Apache Kafka for MINUTES (60) with restarts of everything: memory, lag, exactness
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),60) --json soak.json

dashboards: setup ## write deploy/grafana/dashboards from deploy/grafana/boards
	@cd deploy/grafana && ../../$(BIN)/python -m boards

COMPILE := uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--python-version 3.11

lock: setup ## renew requirements.lock from pyproject.toml, and the part of it for the image (needs uv)
	@$(COMPILE) --extra demo --extra senders --extra test -o requirements.lock pyproject.toml
	@$(COMPILE) --extra build -c requirements.lock -o deploy/requirements.lock pyproject.toml

wheel: setup ## dist/*.whl, its hot path compiled: for installing, not for editing (needs a C compiler)
	@$(BIN)/python deploy/compiled_wheel.py dist

# what an image holds, where there is a lock of its own for that; else everything
LOCKED = $(firstword $(wildcard deploy/requirements.lock) requirements.lock)

.cache/audit/ready: Makefile
	@$(PYTHON) -m venv --clear .cache/audit
	@.cache/audit/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 pip-audit==2.10.1
	@touch $@

sbom: .cache/audit/ready ## write sbom.json, a bill of materials (CycloneDX) of what is locked
	@.cache/audit/bin/python -W ignore -m cyclonedx_py requirements $(LOCKED) --pyproject pyproject.toml \
		--mc-type application --output-reproducible --output-format JSON --output-file sbom.json

audit: .cache/audit/ready ## ask for known holes in what is locked (needs the network; fails where one cannot be looked up)
	@.cache/audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement $(LOCKED)

clean: ## remove what the other targets made
	@rm -rf .venv .cache/peers .cache/audit sbom.json build dist .cache/compiled *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
