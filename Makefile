# Everything from a fresh clone on Debian 12 (Python 3.11 or newer, git, make). `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STORE ?= sqlite
ARGS ?=
PYTEST_ARGS ?=

.PHONY: help setup tor browser elasticsearch demo test lint lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## the virtual environment .venv with the locked packages and Dropline itself

# Packages come with hashes; the project itself has none, so it is installed alone, built by the locked setuptools.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/it. Found: $$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "This Python cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --quiet \
	    --no-deps --no-build-isolation -e .
	@touch $@

# $(call apt,PACKAGE,PROGRAM): install a Debian package where that is possible without asking, else say how.
define apt
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then as=; \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then as=sudo; \
	else echo "$(2) is missing. On Debian or Ubuntu: sudo apt-get install $(1)" >&2; exit 2; fi; \
	echo "Installing $(1)" >&2; \
	$$as apt-get update -qq >&2 && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null
endef

# Debian starts a system-wide tor with the package; Dropline's own network neither uses nor needs it.
tor:  ## the tor binary, for `dropline demo --tor` and the tests (installed by apt as root or with sudo)
	@PATH="$$PATH:/usr/sbin:/sbin"; command -v tor >/dev/null && command -v tor-gencert >/dev/null || { $(call apt,tor,Tor); }

browser:  ## Chromium and its driver, for the tests of the dashboard (installed by apt as root or with sudo)
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { $(call apt,chromium chromium-driver,Chromium); }

elasticsearch: $(STAMP)  ## the real Elasticsearch in a cache folder, and a check for a JDK to run it on
	@$(BIN)/python -m monitor.demo.elastic_server --print-jdk
	@$(BIN)/python -m monitor.demo.elastic_server --cached >/dev/null \
	    || { command -v mvn >/dev/null || { $(call apt,maven,Maven); }; }
	@$(BIN)/python -m monitor.demo.elastic_server --fetch

demo: $(STAMP)  ## the whole job on a synthetic world; ARGS="--seed 7", STORE=elasticsearch
ifeq ($(STORE),elasticsearch)
	@$(MAKE) --no-print-directory elasticsearch >&2
	@$(BIN)/python -m monitor.demo.elastic_server -- $(BIN)/dropline --store {url} demo $(ARGS)
else ifeq ($(STORE),sqlite)
	@$(BIN)/dropline demo $(ARGS)
else
	@echo "STORE is sqlite or elasticsearch, not $(STORE)" >&2; exit 2
endif

# A server that cannot be had is named; its tests then skip on a laptop, and in CI (CI=true) this stops here.
test: $(STAMP)  ## all tests, with a real Tor network, Elasticsearch and Chromium; PYTEST_ARGS=...
	@for server in tor browser elasticsearch; do \
	    $(MAKE) --no-print-directory $$server || { [ "$${CI:-}" != true ]; echo "Tests that need $$server are skipped." >&2; }; \
	done
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP)  ## ruff, mypy --strict, and the order of imports
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The lock names no index and no path: it is the same wherever it is made.
lock: $(STAMP)  ## resolve pyproject.toml anew into requirements.lock (minutes)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-strip-extras \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	    --extra dev --output-file requirements.lock pyproject.toml
	@! grep -nE '^-|://|@ file' requirements.lock

clean:  ## remove the virtual environment and all caches of tools in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage build *.egg-info
