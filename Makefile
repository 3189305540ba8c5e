# Everything runs in .venv, which is created if missing and updated when a requirements file changes.
# Whatever pip reads from its environment or pip.conf (an index of small torch builds, say) applies here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
# Another package of the module pynvml: allocate.py must work with both, so tests use this one as well.
OTHER_PYNVML := nvidia-ml-py==13.615.71
BENCHMARKS := $(filter-out __init__ gpu network_costs pickle_folder,$(basename $(notdir $(wildcard benchmarks/*.py))))

.DEFAULT_GOAL := help
.PHONY: help demo networks primitives bootstrap companion test lint bench bench-peers stress faults recipes

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## make toy speech, train on it, print a report card; takes a few minutes, downloads no data
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/demo.sh

networks: $(VENV)/installed  ## train small networks of every kind for equal processor time, and compare; under half an hour
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/networks.sh

primitives: $(VENV)/installed  ## score the primitive separators on rendered songs; takes a few minutes
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/music.sh primitives

bootstrap: $(VENV)/installed  ## learn to separate rendered songs without ground truth; takes a quarter of an hour
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/music.sh bootstrap

companion: $(VENV)/installed  ## docs/index.html: hear the bootstrap on rendered songs; what is done already is taken
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/music.sh companion

test: $(VENV)/installed-dev  ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/installed-dev  ## run ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/installed  ## run all benchmarks, one after another, with one thread each
	@set -e; for name in $(BENCHMARKS); do \
		OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.$$name; done

bench-peers: $(VENV)/installed  ## the same work by asteroid, SpeechBrain, open-unmix, …, which it installs into .peers; takes half an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.peers

recipes: $(VENV)/installed  ## compile each recipe.gin of musdb/exp into the config.gin beside it; needs musdb/env.gin
	@set -e; for recipe in $$(find musdb/exp -name recipe.gin | sort); do \
		$(BIN)/python main.py instantiate -c $$recipe; done

stress: $(VENV)/installed-dev  ## launch allocate.py 2,000 times, 50 at once, killed at random; takes a few minutes
	$(BIN)/python -m tests.queue.stress_allocate 2000

faults: $(VENV)/installed-dev  ## disturb every command 2,000 times, into docs/trust.md; takes a quarter of an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults 2000

# torch brings its own dependencies, which differ by platform (CUDA); the rest is pinned and complete.
$(VENV)/installed: requirements.txt requirements-toy.txt pyproject.toml $(wildcard install/*.py)
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) install/check_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --constraint requirements.txt torch
	$(INSTALL) --no-deps -r requirements.txt -r requirements-toy.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt requirements-peers.txt
	$(INSTALL) --no-deps -r requirements-dev.txt -r requirements-peers.txt
	$(INSTALL) --no-deps --upgrade --target $(VENV)/nvidia-ml-py $(OTHER_PYNVML)
	touch $@
