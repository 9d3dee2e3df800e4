# One environment in .venv for everything: `make quickstart` installs what running needs, `make test` adds the tools.
#   make quickstart PYTHON=python3.12
#   make quickstart PIP_FLAGS="--extra-index-url URL"    URL: PyTorch's CPU index, which saves gigabytes on Linux

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
PYTEST_FLAGS ?=
FUZZ_FLAGS ?=
TORTURE_FLAGS ?=
NOTEBOOKS ?=

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_FLAGS) -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install install-tools quickstart models test check format generate notebooks docs coverage fuzz bench bench-compare bench-store load bench-gpu failing-server torture clean

help:
	@echo "make quickstart   install, fetch two small models, compare full context with retrieval (CPU, minutes)"
	@echo "make models       fetch the small models (about 200 MB, once)"
	@echo "make check        format, lint, types, import floors"
	@echo "make test         the tests (offline, CPU)"
	@echo "make generate     write the tables of kinds and of servers, and the JSON Schemas again"
	@echo "make notebooks    run the notebooks and store them with their outputs (minutes; a test says when they are stale)"
	@echo "make docs         the site: build/site/html/index.html"
	@echo "make coverage     how often intervals contain the true mean, and decisions and races are wrong (docs/statistics.md)"
	@echo "make fuzz         damaged inputs of every kind: no traceback, ever (a minute a target; FUZZ_FLAGS='--seconds 600')"
	@echo "make bench        the measurements behind the figures on speed, written to build/bench.json"
	@echo "make bench-compare    what they changed beyond their spread; make bench-store makes them the ones of the documentation"
	@echo "make load         200,000 rows: rows a second, and time and memory of every command that reads them"
	@echo "make bench-gpu    those that need a GPU and vLLM in the environment"
	@echo "make failing-server   2,000 questions against a server that fails 30 % of the time"
	@echo "make torture      200 kills, and faults of every other kind: nothing lost, duplicated or wrong (docs/torture.md)"
	@echo "make clean        remove the environment, caches and builds; results in runs/ stay"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): minutes, without a line in between (PIP_FLAGS=-v shows all)"
	$(INSTALL) -e '.[cpu]'
	@touch $@

$(VENV)/.installed-tools: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV), with the tools for tests: minutes, without a line in between (PIP_FLAGS=-v shows all)"
	$(INSTALL) -e '.[cpu,test]'
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed

install-tools: $(VENV)/.installed-tools

models: $(VENV)/.installed
	$(BIN)/ragvlc models fetch

quickstart: models
	$(BIN)/ragvlc run experiments/quickstart.yaml

check: $(VENV)/.installed-tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-tools
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(VENV)/.installed-tools
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# Needs the small models. One of them: make notebooks NOTEBOOKS=02
notebooks: models $(VENV)/.installed-tools
	$(BIN)/python tests/docs/notebooks.py $(NOTEBOOKS)

generate: $(VENV)/.installed-tools
	$(BIN)/python tests/docs/generate.py

docs: $(VENV)/.installed-tools
	$(BIN)/python docs/site/build.py

coverage: $(VENV)/.installed-tools
	$(BIN)/python tests/benchmarks/interval_coverage.py
	$(BIN)/python tests/benchmarks/decision_errors.py
	$(BIN)/python tests/benchmarks/routing_and_length.py
	$(BIN)/python tests/benchmarks/races.py

# 17 targets; what fails is written to fuzz-faults/. A minute of the same inputs in every run is part of `make test`.
fuzz: $(VENV)/.installed-tools
	$(BIN)/python tests/fuzz/run.py $(FUZZ_FLAGS)

# Each writes its figures to the file, with machine, instruction sets and date.
bench bench-gpu: export RAGVLC_BENCH_FILE = build/bench.json

bench: $(VENV)/.installed-tools models
	$(BIN)/python tests/benchmarks/run.py
	$(BIN)/python tests/benchmarks/full_context.py --documents 2 --repeats 1
	$(BIN)/python tests/benchmarks/grid.py --repeats 1
	$(BIN)/python tests/benchmarks/grid.py --reader smollm2 --quick
	$(BIN)/python tests/benchmarks/embedding_throughput.py --quick
	$(BIN)/python tests/benchmarks/ray_workers.py
	$(BIN)/python tests/benchmarks/reading_files.py
	$(BIN)/python tests/benchmarks/rows.py
	$(BIN)/python tests/benchmarks/choices.py

bench-compare: $(VENV)/.installed-tools
	$(BIN)/python tests/benchmarks/compare.py

bench-store: $(VENV)/.installed-tools
	$(BIN)/python tests/benchmarks/compare.py --store
	$(BIN)/python tests/docs/generate.py

load: $(VENV)/.installed-tools
	$(BIN)/python tests/benchmarks/load.py

# One GPU and vLLM, or two GPUs: see the head of each file for its options.
bench-gpu: $(VENV)/.installed-tools
	$(BIN)/python tests/benchmarks/vllm_throughput.py
	$(BIN)/python tests/benchmarks/embedding_throughput.py
	$(BIN)/python tests/benchmarks/rapid_round.py

# 2,000 questions against a server that fails 30 % of the time: nothing lost, nothing twice, no key anywhere.
failing-server: $(VENV)/.installed-tools
	$(BIN)/python tests/generators/failing_server.py

# Small form: make torture TORTURE_FLAGS="--kills 20". Repeat one: TORTURE_FLAGS='--only "kills of run" --trial 17'
torture: $(VENV)/.installed-tools
	$(BIN)/python -m tests.torture $(TORTURE_FLAGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find ragvlc tests -name __pycache__ -type d -prune -exec rm -rf {} +
