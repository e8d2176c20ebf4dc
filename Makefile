PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# What glibc is told before a process begins: freed memory is kept, in large pages (docs/training.md says what that is worth).
# What the user tells it comes after, and so holds.
KEEP_MEMORY := glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000:glibc.malloc.top_pad=268435456:glibc.malloc.arena_max=1
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps # the lock names every package

.DEFAULT_GOAL := help
.PHONY: help env run test test-fast lab report sweep bench lint docs

help: ## list what make can do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 11

env: $(READY) ## create .venv with the locked versions

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) --retries 1 $$(grep -E '^(--find-links|torch==)' requirements.lock)
	@grep -v '^--find-links' requirements.lock > .venv/rest # torch is there: its page need not be asked for every package
	$(PIP) -r .venv/rest
	$(PIP) --editable .
	@touch $(READY)

run report: export GLIBC_TUNABLES := $(KEEP_MEMORY)$(GLIBC_TUNABLES:%=:%)
run: env ## the main job: train, extract, evaluate on 20 Newsgroups, into outputs/quick
	$(BIN)/unpadded run --profile quick --output outputs/quick

test: env lint ## lint and all tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-fast: env ## the rooms' unit tests, for while you work
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m 'not slow'

lab: env ## explore a run in JupyterLab, on this machine only (makes a small run where there is none)
	$(BIN)/python -m unpadded.explore.lab

report: env ## the reference run again, into outputs/reference (hours)
	$(BIN)/unpadded run --profile reference --output outputs/reference
	$(BIN)/python -m unpadded.report.readme README.md outputs/reference

sweep: env ## poolings x post-processing x corpora, into outputs/pooling
	$(BIN)/unpadded sweep notebooks/sweeps/pooling.yaml

bench: env ## side-by-side measurements
	@for script in benchmarks/encoding.py benchmarks/training.py; do $(BIN)/python $$script || exit 1; done

lint: env ## rules, formatting, and types of the public contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: env ## API reference from the docstrings, into outputs/api
	$(BIN)/python docs/api.py outputs/api
