# Every target is one command. `make run` starts the server, `make test` is what has to pass before anything is merged.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Tests that run at the same time, each worker with its own folder and ports; their servers want a processor each.
JOBS ?= 2

.PHONY: help run test check format bench crash fuzz clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST)

run: $(VENV)/installed ## start smsd with etc/smsd.yaml on this machine, with a simulated modem
	$(BIN)/twistd -n smsd -c etc/smsd.yaml

test: $(VENV)/tested check ## ruff, mypy, then all tests
	$(BIN)/python -m twisted.trial -j$(JOBS) --reporter=text tests </dev/null

check: $(VENV)/tested ## ruff and mypy
	$(BIN)/ruff check smsd tests twisted
	$(BIN)/ruff format --check smsd tests twisted
	$(BIN)/mypy

format: $(VENV)/tested ## let ruff format the code
	$(BIN)/ruff format smsd tests twisted

bench: $(VENV)/tested ## measure speed, memory and start-up; docs/performance.rst explains the figures
	$(BIN)/python -m tests.bench

crash: $(VENV)/tested ## kill the server 100 times under load and count what is lost
	$(BIN)/python -m tests.crash --kills 100

fuzz: $(VENV)/tested ## a million runs of the codec fuzzers
	$(BIN)/python -m tests.fuzz

clean: ## remove what was built (never var/, which holds your messages)
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis

$(VENV)/installed: setup.cfg pyproject.toml
	PYTHON=$(PYTHON) .ci/prepare $(VENV) run

$(VENV)/tested: setup.cfg pyproject.toml
	PYTHON=$(PYTHON) .ci/prepare $(VENV) test
