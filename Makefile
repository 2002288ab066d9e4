# make demo: the whole road on the built-in activity.  make test: all tests.  make docs: the pages
# as a site, in the folder site.  They set up what they need in .venv and .venv-docs themselves, and
# need Python 3.11+ and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
DOCS_VENV := .venv-docs
SITE := site

.PHONY: setup demo test docs lint format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tacref needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

demo: $(READY)
	rm -rf $(DEMO)
	$(BIN)/python -m tacref demo --out $(DEMO)

# All tests, a file at a time for each worker, how many and in which order says tests/conftest.py;
# then those of the reference again without compiling, which shows each line they reach.
WORKERS := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(READY)
	$(BIN)/python -m pytest $(WORKERS)
	$(BIN)/python -m coverage erase
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run -m pytest -q $(WORKERS) tests/reference
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

$(DOCS_VENV)/.ready: docs/requirements.txt
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r docs/requirements.txt
	$(DOCS_VENV)/bin/python -m pip check
	@touch $@

# Not with --quiet: it hides the warnings from --strict.
docs: $(DOCS_VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --site-dir $(SITE)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DOCS_VENV) $(DEMO) $(SITE) dist build
