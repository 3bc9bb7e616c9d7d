# The commands of this project; each does all of its set-up. `make` alone lists them.
# PYTHON=python3.12 chooses the interpreter, ARGS="..." goes to `sayso demo` or to pytest, COVERAGE=1 measures a test run.

PYTHON ?=
ARGS ?=
COVERAGE ?=
BIN = .venv/bin
PACKAGES = approvals agent cards scheduler bot sandbox
CHECKED = $(PACKAGES) $(wildcard tests examples bench)
QUICK = not chaos and not second_server and not browser
PYTEST = $(BIN)/$(if $(COVERAGE),coverage run,python) -m pytest -q -n 2

.PHONY: help demo test test-all test-extra check lint coverage pictures promises format clean ready

help:
	@sed -n 's/^## //p' Makefile

## make demo       a workplace to click in, on this machine: prints its address (Ctrl-C ends it)
demo: ready
	@$(BIN)/sayso demo $(ARGS)

## make test       the tests: six minutes on two cores, nothing else needed
test: ready
	@rm -f .coverage .coverage.*
	@$(PYTEST) -m "$(QUICK)" $(ARGS)

## make test-all   the tests, then killed processes, other Redis servers, PostgreSQL, an Agent Server, and the page in Chromium
test-all: test test-extra

test-extra: ready
	@sh .ci/agent-server $(BIN)/python
	@$(PYTEST) -m "not ($(QUICK))" $(ARGS)

## make check      lint, strict types, and the tests (the rules of the house among them) with branch coverage
check: lint
	@echo "Branch coverage ..."
	@$(MAKE) --no-print-directory test COVERAGE=1
	@$(MAKE) --no-print-directory coverage

lint: ready
	@echo "Lint (ruff) ..."
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/ruff format --check .
	@echo "Types (mypy --strict) ..."
	@mkdir -p .cache/typed
	@ln -sfn ../.. .cache/typed/sayso
	@cd .cache/typed && MYPYPATH=sayso/tests/support:sayso/examples ../../$(BIN)/mypy --config-file ../../pyproject.toml --explicit-package-bases \
		sayso/__init__.py $(addprefix sayso/,$(CHECKED))

# what the last `make test COVERAGE=1` has reached
coverage: ready
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

## make pictures   draw docs/pictures anew: the demo's page in Chromium, after a few moves
pictures: ready
	@PYTHONPATH=tests/support $(BIN)/python .ci/pictures.py

## make promises   play the scenes that show what is promised, and write docs/promises.md (ARGS="9 20": those of two)
promises: ready
	@PYTHONPATH=tests/support $(BIN)/python bench/promises.py $(ARGS)

## make format     let ruff put the code in order
format: ready
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

## make clean      remove what the commands above made
clean:
	rm -rf .venv .cache .sayso .sayso-demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build dist *.egg-info

ready:
	@GOAL="$(firstword $(MAKECMDGOALS))" sh .ci/setup "$(PYTHON)"
