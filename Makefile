# Everything runs in .venv, which is made when missing and refreshed when a requirements file changes.
# Whatever pip reads from its environment or pip.conf (an index of small torch builds, say) holds here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
# The module pynvml once more: allocate.py must work with either, which is tested from a folder aside.
OTHER_PYNVML := nvidia-ml-py==13.615.71
BENCHMARKS := $(filter-out __init__ pickle_folder,$(basename $(notdir $(wildcard benchmarks/*.py))))

.DEFAULT_GOAL := help
.PHONY: help demo primitives bootstrap test lint bench stress recipes

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## make toy speech, train on it, print a report card; a few minutes, no download of data
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/demo.sh

primitives: $(VENV)/installed  ## score the primitive separators on rendered songs; some minutes
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/music.sh primitives

bootstrap: $(VENV)/installed  ## learn to separate rendered songs without ground truth; a quarter of an hour
	PYTHON="$(CURDIR)/$(BIN)/python" bash toy/music.sh bootstrap

test: $(VENV)/installed-dev  ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/installed-dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/installed  ## all benchmarks, one after another, one thread each
	@set -e; for name in $(BENCHMARKS); do \
		OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.$$name; done

recipes: $(VENV)/installed  ## compile each recipe.gin of musdb/exp into the config.gin beside it; needs musdb/env.gin
	@set -e; for recipe in $$(find musdb/exp -name recipe.gin | sort); do \
		$(BIN)/python main.py instantiate -c $$recipe; done

stress: $(VENV)/installed-dev  ## 2,000 launches of allocate.py, 50 at once, killed at random; some minutes
	$(BIN)/python -m tests.queue.stress_allocate 2000

# torch comes with its dependencies, which differ by platform (CUDA); all else is pinned and complete.
$(VENV)/installed: requirements.txt requirements-toy.txt pyproject.toml install/backend.py install/audition_before_nussl.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --constraint requirements.txt torch
	$(INSTALL) --no-deps -r requirements.txt -r requirements-toy.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(INSTALL) --no-deps -r requirements-dev.txt
	$(INSTALL) --no-deps --upgrade --target $(VENV)/nvidia-ml-py $(OTHER_PYNVML)
	touch $@
