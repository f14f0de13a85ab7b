# Two commands do everything: `make demo` and `make test`. Both build what they need in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# snarkjs, circom and solc, for the tests that hold us against them; without npm these tests are skipped and counted.
FOREIGN := $(if $(shell command -v npm),tests/foreign/node_modules/.package-lock.json)

.PHONY: demo test test-aarch64 test-openfhe check native clean

demo: $(STAMP)
	$(BIN)/python -m circuits.demo

test: $(STAMP) $(FOREIGN)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Tests where this machine's Python cannot run them; tools/elsewhere.sh says what each needs. `make TESTS=tests/zk ...`
test-aarch64: $(STAMP)
	PYTHON=$(BIN)/python tools/elsewhere.sh aarch64 -n 2 $(or $(TESTS),tests/arith)

test-openfhe: $(STAMP)
	PYTHON=$(BIN)/python tools/elsewhere.sh noble -k openfhe $(or $(TESTS),tests/fhe/test_openfhe.py tests/fhe/test_backends.py)

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

tests/foreign/node_modules/.package-lock.json: tests/foreign/package-lock.json
	npm ci --prefix tests/foreign --ignore-scripts --no-audit --no-fund --silent
	touch $@

# Builds the extension in place, for work on the native core with `PYTHONPATH=.`.
native:
	cmake -S . -B build/native -G Ninja -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE=$$(which python)
	cmake --build build/native
	cp build/native/_native*.so vortex_crypto/

clean:
	rm -rf $(VENV) build dist tests/foreign/node_modules vortex_crypto/_native*.so
