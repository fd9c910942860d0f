# What a person types here. Needs Python 3.11 or newer, pip and make; everything else is installed
# into .venv, in the versions of constraints.txt. Nothing is installed anew while neither that file
# nor pyproject.toml has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt
WORKERS ?= 2

define OLD_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("mitrarr needs Python 3.11 or newer, this is %s.\n"
             "  -> name another one: make demo PYTHON=/usr/bin/python3.11" % sys.version.split()[0])
endef
export OLD_PYTHON

.PHONY: help demo test quick lint catalogue clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 16

demo: $(VENV)/.installed ## a whole site with made data and a FindFace simulator, in ./demo-site
	@if [ -e demo-site/.mitrarr-site ]; then rm -r demo-site; fi
	@$(BIN)/mitrarr demo demo-site

test: $(VENV)/.installed-dev ## the whole test suite
	@$(BIN)/python -m pytest --numprocesses $(WORKERS)

quick: $(VENV)/.installed-dev ## the tests a person waits for
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not slow"

lint: $(VENV)/.installed-dev ## style, format, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy && $(BIN)/mypy tools

catalogue: $(VENV)/.installed-dev ## texts into mitrarr.po, translations into mitrarr.mo
	@$(BIN)/python tools/catalogue.py extract compile check

clean: ## away with .venv, the demo and the caches; never a site's state
	@if [ -e demo-site/.mitrarr-site ]; then rm -r demo-site; fi
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -r {} +

# A Debian without python3-venv has no pip to put into .venv: the host's own pip does it.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON) here"; \
	  echo "  -> install Python 3.11 or newer, or name it: make demo PYTHON=..."; exit 1; }
	@$(PYTHON) -c "$$OLD_PYTHON"
	@[ -x $(BIN)/pip ] || { echo "Making $(VENV)"; \
	  $(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
	    $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }; }
	@$(BIN)/python -c "$$OLD_PYTHON"
	@touch $@

$(VENV)/.backend: $(VENV)/.made constraints.txt
	@echo "Installing mitrarr and what it needs"
	@$(INSTALL) hatchling editables
	@touch $@

$(VENV)/.installed: $(VENV)/.backend pyproject.toml
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.backend pyproject.toml
	@$(INSTALL) --no-build-isolation --editable ".[dev]"
	@touch $@ $(VENV)/.installed
