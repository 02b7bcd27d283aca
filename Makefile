# Everything here sets up what it needs in .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test test-slow lint format docs bench clean

demo: $(READY)
	@$(BIN)/personlog demo

test: $(READY)
	$(BIN)/python -m pytest -n auto -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build --strict --clean
	@rm -f build/site/generate.py
	@echo "The site is in build/site."

bench: $(READY)
	$(BIN)/python -m benchmarks.table $(if $(EVENTS),--events $(EVENTS))

# .link lets type checkers see the checkout under the package's name, whatever its folder is called.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "personlog needs Python 3.11 or newer; set PYTHON=python3.11"'
	@echo "Setting up $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@mkdir -p .link && ln -sfn .. .link/personlog
	@touch $(READY)

clean:
	rm -rf $(VENV) .link build dist *.egg-info
