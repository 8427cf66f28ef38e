# Every target only calls what a person can type; `make run` and `make test` need Python 3.11 or 3.12, git and make.
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c "" 2>/dev/null && echo python3.12 || echo python3)
BIN := .venv/bin
STUDY ?= genre_classification
# Where it is set, as in many containers, each process compiles its imports anew: twice the start of every command.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all lint bench ui viz gallery docs clean

run: .venv/ready
	$(BIN)/kedro run --pipeline=$(STUDY)

test: .venv/ready lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=loadfile -m "not heavy"  # one thread for each of two processes

test-all: .venv/ready lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=loadfile

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python -m benchmarks

viz: .venv/ready
	$(BIN)/kedro viz run --pipeline=$(STUDY)

gallery: .venv/ready
	$(BIN)/kedro gallery

docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "Written: site_docs/index.html (its search needs a server: python -m http.server --directory site_docs)"

ui: .venv/ready
	$(BIN)/kedro mlflow ui

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 12) else f"Etudes needs Python 3.11 or 3.12, found {v[0]}.{v[1]}; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade uv
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
	touch $@

clean:
	find data -mindepth 2 ! -name .gitkeep -delete
	rm -rf data/records data/sweeps data/.runs logs mlartifacts mlflow.db site site_docs .mypy_cache .ruff_cache .pytest_cache
