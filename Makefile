# Two commands for a newcomer: `make chat` and `make test`. Each sets up .venv with the pinned versions first.
PYTHON ?= python3
PORT ?= 7860
JOBS ?= 2
BIN := .venv/bin

.PHONY: help install chat test check format clean

help:
	@echo "make chat     set up, index the corpus, open the chat page"
	@echo "make test     set up, run the tests, two files at a time (JOBS=2); the slow ones too: make test FULL=1"
	@echo "make check    set up, run ruff and mypy"
	@echo "make install  set up only"
	@echo "make clean    remove .venv, caches and the index, with the list of named sources"

install: .venv/ready

chat: .venv/ready
	$(BIN)/assistant chat --open --port $(PORT)

test: .venv/ready-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(if $(FULL),-m "")

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	@touch $@

.venv/ready: .venv/pip pyproject.toml constraints.txt
	@echo "Installing (some minutes the first time) ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find index -mindepth 1 ! -name .gitignore -delete
