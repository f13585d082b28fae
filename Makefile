# make install | demo | test | lint
PYTHON ?= python3.11
BIN := .venv/bin
export OMP_WAIT_POLICY := PASSIVE
export HF_HUB_OFFLINE := 1

.PHONY: install demo test lint clean-demo

install: .venv/installed

# torch first and by exact version, so that a CPU build given by the pip configuration is taken and kept
.venv/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

demo: install
	$(BIN)/python demo.py

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean-demo:
	rm -rf demo
