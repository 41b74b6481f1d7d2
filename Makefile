# What developers and CI type. The environment is made on first use: `make test` in a fresh clone is enough.
# PYTHON  the interpreter to make the environment with (default: the newest that works, see ci/find-python);
#         for another one after the fact: make clean first
# VENV    where the environment is
# TESTS   what `make test` runs, e.g. TESTS=tests/unit
# WORKERS how many processes run the tests (default: two for each processor, as tests often wait)
# VM      which kernels `make vm` tries, and what, e.g. VM="--kernel 6.1 --user user -- tests/integration/container"
# BENCH   which benches `make bench` runs, e.g. BENCH="launch throughput"

PYTHON ?=
VENV ?= .venv
TESTS ?= tests
WORKERS ?= $(shell expr 2 \* `nproc`)
BENCH ?=
VM ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date
DOCS_STAMP := $(VENV)/.docs-up-to-date
# the C parts are compiled by the set-up: whoever changes one gets it rebuilt
BUILD_INPUTS := pyproject.toml setup.py ci/set-up \
	$(filter-out %/_launch.c %/_ring.c,$(wildcard container/*/*.[ch] worker/*/*.[ch] container/*/build_*.py worker/*/build_*.py))

.PHONY: help set-up demo demo-cargo demo-go test check docs vm bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    tests that disturb each other, under plain pytest and under maelstrom-pytest'
	@echo 'make demo-go     the same of Go, under go test and under maelstrom-go-test'
	@echo 'make demo-cargo  the same of a Rust project, under cargo test and under cargo maelstrom'
	@echo 'make test    all tests'
	@echo 'make check   format, lint, types, import rules'
	@echo 'make docs    the book as HTML, into build/docs'
	@echo 'make vm      a few tests on other kernels, in an emulator (qemu-system-x86_64)'
	@echo 'make bench   all benchmarks'
	@echo 'make set-up  the development environment only'
	@echo 'make clean   remove everything that was made'

set-up: $(STAMP)

$(STAMP): $(BUILD_INPUTS)
	@ci/set-up '$(VENV)' '$(PYTHON)'
	@touch $@

demo: $(STAMP)
	@$(BIN)/python -m ci.demo

demo-go: $(STAMP)
	@$(BIN)/python -m ci.demo go

demo-cargo: $(STAMP)
	@$(BIN)/python -m ci.demo cargo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m ci.docs --check

# what makes HTML is installed when it is wanted: nothing else needs it
$(DOCS_STAMP): $(STAMP)
	@$(BIN)/python -m ci.docs --requirements | xargs $(BIN)/python -m pip install --quiet --disable-pip-version-check
	@touch $@

docs: $(DOCS_STAMP)
	$(BIN)/python -m ci.docs --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs . build/docs
	@echo 'the book: build/docs/index.html'

vm: $(STAMP)
	$(BIN)/python -m ci.vm $(VM)

bench: $(STAMP)
	$(BIN)/python -m ci.bench $(BENCH)

clean:
	rm -rf '$(VENV)' build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f container/*/*.so container/*/_launch.c worker/*/*.so worker/*/_ring.c
	find broker ci clients container core examples tests worker -depth \
		\( -name __pycache__ -o -name .maelstrom-pytest -o -name .ruff_cache -o -path '*/leaky-rust/target' \) -exec rm -rf {} +
