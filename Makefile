# Two commands do everything: `make demo` and `make test`. Both build what they need in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test check native clean

demo: $(STAMP)
	$(BIN)/python -m circuits.demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(shell find native -type f)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,serve,bench]'
	touch $@

# Builds the extension in place, for work on the native core with `PYTHONPATH=.`.
native:
	cmake -S . -B build/native -G Ninja -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE=$$(which python)
	cmake --build build/native
	cp build/native/_native*.so vortex_crypto/

clean:
	rm -rf $(VENV) build dist vortex_crypto/_native*.so
