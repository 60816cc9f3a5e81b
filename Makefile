# Everything runs in .venv, which `make setup` builds; every other target sets it up first. Python 3.11.
PLAN ?= plans/smile.yaml
ARGS ?=
PYTHON ?= python3.11
UV_VERSION := 0.13.9
WORKERS ?= 2
KILLS ?= 60
# The build of torch: empty for PyPI's, which has the CUDA libraries; TORCH=cpu for PyTorch's without them. .venv remembers it.
TORCH ?= $(shell cat .venv/.torch 2>/dev/null)
ifneq ($(filter-out cpu auto xpu cu% rocm%,$(TORCH)),)
$(error TORCH is empty, cpu, auto or a backend of uv such as cu128, got '$(TORCH)'; nothing was changed)
endif
INDEX := "TORCH=$(TORCH) takes torch from PyTorch's own index; where that is out of reach, make setup TORCH= takes PyPI's"
BIN := .venv/bin
MOUTH_BIN := .venv-mouth/bin

.PHONY: setup other-torch study test faults lint docs mouth clean
.DEFAULT_GOAL := study

setup: .venv/.ready

# Another build of torch needs a new .venv: uv takes the installed one for the same version.
CHANGED := $(filter-out x$(TORCH),x$(shell cat .venv/.torch 2>/dev/null))

# uv installs the packages in a tenth of pip's time. The stamp makes a second call instant. The last line leaves bytecode on disk,
# which uv does not: the first study, or every command where PYTHONDONTWRITEBYTECODE is set, would compile for ten seconds.
.venv/.ready: requirements.txt requirements-dev.txt pyproject.toml $(if $(CHANGED),other-torch)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(TORCH),--torch-backend $(TORCH)) -r requirements.txt -r requirements-dev.txt$(if $(TORCH), || { echo $(INDEX) >&2; exit 1; })
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	echo $(TORCH) > .venv/.torch
	$(BIN)/python -m pipelines.local.bytecode
	touch $@

other-torch:
	rm -rf .venv

# The main job: a whole study. Other plans: make study PLAN=plans/grid.yaml ARGS="--corpus grid://DIR"
# Corpora of real video need `make mouth`; the registry of corpora knows which.
study: setup
	! $(BIN)/python -m corpora.mouth.needed $(PLAN) $(ARGS) || $(MAKE) mouth
	$(BIN)/ablate run $(PLAN) $(ARGS)

# All tests, or some: make test ARGS="tests/corpora -x". Two torch processes with all threads each would be slower than one.
# Where Debian's eatmydata is installed, fsync does nothing: MLflow waits for the disk at every write, and no test cuts the power.
test: setup
	OMP_NUM_THREADS=1 $(shell command -v eatmydata) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Every injected fault of docs/reliability.md, in an hour on two cores: make faults KILLS=20 ARGS="-k kills". `make test` runs a part.
faults: setup
	ABLATE_FAULT_FULL=1 ABLATE_FAULT_KILLS=$(KILLS) $(BIN)/python -m pytest tests/faults -o timeout=1200 -rA --tb=short $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The tables in docs/ that are generated from the code. A test says when they are stale.
docs: setup
	$(BIN)/python docs/generate_commands.py
	$(BIN)/python docs/generate_corpora.py
	$(BIN)/python docs/generate_model.py
	$(BIN)/python docs/generate_results.py

# The mouth detector has its own environment: its package conflicts with kfp.
mouth: .venv-mouth/.ready

.venv-mouth/.ready: requirements-mouth.txt | setup
	test -x $(MOUTH_BIN)/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-mouth
	$(BIN)/uv pip install --quiet --no-deps --python $(MOUTH_BIN)/python -r requirements-mouth.txt
	touch $@

clean:
	rm -rf .venv .venv-mouth build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
