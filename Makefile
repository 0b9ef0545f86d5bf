# Everything happens in .venv. `make help` lists what there is.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
LOCK := requirements.lock
BENCH := .venv-bench
PIP := $(BIN)/python -m pip --disable-pip-version-check

# No program of ours reports home.
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-slow onnx check bench lock clean
.DELETE_ON_ERROR:

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: $(VENV)/.run ## train the teacher, distil the students, print how good they are
	@$(BIN)/distilingua run

test: $(VENV)/.test ## the tests; minutes
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.test ## the tests that take long, and no others
	@$(BIN)/python -m pytest -m slow --timeout 3600

check: $(VENV)/.test ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# In an environment of its own, since it brings the peers.
bench: $(BENCH)/.bench ## speed beside peers, of this project once it has run; takes long
	@$(BENCH)/bin/distilingua run
	@for one in labelling_speed training_speed students predict_memory; do \
		echo; $(BENCH)/bin/python benchmarks/$$one.py . || exit 1; done

onnx: $(VENV)/.run ## install what distilingua export and serve need
	$(PIP) install --quiet -c $(LOCK) -e '.[onnx,serve]'

# pip's own report of what it would install: no other tool is needed, and nothing is installed. It keeps the versions
# of the present lock where pyproject.toml allows them; `make lock UPGRADE=1` takes the newest.
lock: $(VENV)/.made ## write requirements.lock anew from pyproject.toml
	@$(PIP) install --quiet --dry-run --ignore-installed --report $(VENV)/report.json \
		$(if $(UPGRADE),,$(if $(wildcard $(LOCK)),-c $(LOCK))) '.[dev,bench]'
	@$(BIN)/python .ci/lock.py $(VENV)/report.json $(LOCK)

clean: ## remove .venv and .venv-bench
	rm -rf $(VENV) $(BENCH)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info[:2] == (3, 11) else "$(PYTHON) is Python %d.%d; 3.11 is needed: make PYTHON=/path/to/python3.11 ..." % sys.version_info[:2])'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made pyproject.toml $(LOCK)
	$(PIP) install --quiet -c $(LOCK) -e .
	@touch $@

# Everything that `run` needs, and the tools, in one step.
$(VENV)/.test: $(VENV)/.made pyproject.toml $(LOCK)
	$(PIP) install --quiet -c $(LOCK) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(BENCH)/.bench: pyproject.toml $(LOCK)
	@$(MAKE) --no-print-directory VENV=$(BENCH) $(BENCH)/.made
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet -c $(LOCK) -e '.[onnx,serve,bench]'
	@touch $@
