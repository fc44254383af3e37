# make demo   from nothing to a measured generalization gap: runs/demo/report.html
# make test   the default test suite
# make check  format, lint, types
# make clean  removes VENV and all of runs/
# make demo SIZE=tiny OUT=DIR   a smaller one, elsewhere
# make test PYTHON=python3.12 VENV=runs/python3.12   with another Python
# Each sets up VENV (.venv) first if need be. Downloaded packages are kept in CACHE,
# so that another clone on this machine needs no network.

PYTHON ?= python3
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/synth
SIZE ?= $(or $(size),small)
OUT ?= $(or $(out),runs/demo)

WHEELS = $(CACHE)/wheels-$(shell cat setup.py constraints.txt | cksum | cut -d' ' -f1)-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test check clean help

demo: $(VENV)/installed
	$(BIN)/python -m launch.demo --config=configs/support.py:$(SIZE) --workdir=$(OUT)

test: $(VENV)/installed
	$(BIN)/python -m pytest -q -n 2 --dist loadscope

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The first lines of this file.
help:
	@sed -n '/^#/!q; s/^# //p' Makefile

clean:
	rm -rf $(VENV) runs

# Its name holds a checksum of what it is made from, so it never goes stale.
$(WHEELS)/complete:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: synth needs Python >= 3.11; name one with make PYTHON=...")'
	@echo "fetching packages into $(WHEELS) (about a minute the first time)"
	@mkdir -p $(WHEELS)
	@$(PYTHON) -m pip download -q --disable-pip-version-check -d $(WHEELS) -c constraints.txt setuptools wheel '.[dev]'
	@touch $@

$(VENV)/installed: $(WHEELS)/complete
	@echo "installing into $(VENV) (under a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --find-links=$(WHEELS) -c constraints.txt setuptools wheel
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --find-links=$(WHEELS) -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
