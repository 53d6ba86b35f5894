# ffnn: every target sets up what it needs, so any of them may be the first command typed.
#   make exp3-optimizers DATASET=digits SEEDS=3 EPOCHS=5 WORKERS=2

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

STUDIES     := $(addprefix study-,$(sort $(basename $(notdir $(wildcard experiments/studies/*.yaml)))))
EXPERIMENTS := $(sort $(basename $(notdir $(wildcard experiments/exp*.yaml))))

# Files of tests side by side, for many wait more than they compute; then those that measure time, by themselves.
# Tests start hundreds of processes: where no bytecode is kept, each of them would compile the package again.
PYTEST   := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
PARALLEL := --numprocesses=3 --dist=loadfile
ALONE     = $(if $(ARGS),,$(shell grep -rl mark.alone tests))

# What `make expN-...` hands on; nothing is handed on that was not given.
OPTIONS := $(if $(DATASET),--dataset=$(DATASET)) $(if $(SEEDS),--seeds=$(SEEDS)) \
           $(if $(EPOCHS),--epochs=$(EPOCHS)) $(if $(WORKERS),--workers=$(WORKERS)) $(ARGS)
STACKS  := $(if $(STACK),--stack=$(STACK))

.PHONY: help setup bench gpu experiments report studies test test-all lint format fuzz size audit clean $(EXPERIMENTS) $(STUDIES)
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-zA-Z0-9_-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@for name in $(EXPERIMENTS); do \
	  printf '  make %-22s %s\n' "$$name" "$$(sed -n 's/^question: *//p' experiments/$$name.yaml)"; done
	@for name in $(STUDIES); do \
	  printf '  make %-22s %s\n' "$$name" "$$(sed -n 's/^title: *//p' experiments/studies/$${name#study-}.yaml | tr -d '"')"; done
	@echo "Experiments and studies take DATASET= SEEDS= EPOCHS= WORKERS=, and ARGS='--learning_rate=0.01 ...'; experiments STACK=."

setup: $(VENV)/.ready ## install ffnn into .venv

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"ffnn needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}: name another with PYTHON=")'
	@echo "setting up $(VENV), once..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	@echo "installing what the tests need, once..."
	@$(PIP) --editable '.[test,dev]'
	@touch $@

$(EXPERIMENTS): %: experiments/%.yaml $(VENV)/.ready
	@$(BIN)/ffnn run $< $(OPTIONS) $(STACKS)

$(VENV)/.ready-bench: $(VENV)/.ready
	@echo "installing the frameworks to race against, once..."
	@$(PIP) --editable '.[frameworks]'
	@touch $@

$(STUDIES): study-%: experiments/studies/%.yaml $(VENV)/.ready-bench
	@$(BIN)/ffnn study $< $(OPTIONS)

studies: $(STUDIES) ## all published studies, each with a page of its own, and experiments/studies/README.md
	@{ echo '# Published studies, repeated'; for name in $(STUDIES); do echo; sed 's/^#/##/' runs/$$name/summary.md; done; } \
	  > experiments/studies/README.md

report: $(VENV)/.ready ## experiments/REPORT.md and its PDF, from the runs of all experiments
	@$(BIN)/ffnn report $(sort $(wildcard runs/exp*-fashion_mnist)) $(sort $(wildcard runs/exp*-cifar10)) --written experiments/REPORT.md

bench: $(VENV)/.ready-bench ## race ffnn against other frameworks; ARGS=--quick for a first look
	@$(BIN)/ffnn bench $(ARGS)

gpu: ## everything that wants a GPU: installs, tests, agreement, the race; logs below runs/gpu/
	@VENV=$(VENV) PYTHON=$(PYTHON) .ci/gpu $(ARGS)

experiments: $(VENV)/.ready ## all experiments, and one table of what they found
	@$(BIN)/ffnn run $(EXPERIMENTS:%=experiments/%.yaml) $(OPTIONS) $(STACKS)

test: $(VENV)/.ready-test ## the test suite, without the longest tests
	@$(PYTEST) $(PARALLEL) -m 'not slow and not alone' $(ARGS)
	@$(PYTEST) -m 'alone and not slow' $(ALONE) $(ARGS) || test $$? -eq 5  # 5: ARGS chose none of them

test-all: $(VENV)/.ready-test ## the whole test suite
	@$(PYTEST) $(PARALLEL) -m 'not alone' $(ARGS)
	@$(PYTEST) -m alone $(ALONE) $(ARGS) || test $$? -eq 5

lint: $(VENV)/.ready-test ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.ready-test ## mend the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

fuzz: $(VENV)/.ready-test ## look for inputs that break a reader, a minute each; ARGS='10 config sweep' for some
	@$(PIP) --editable '.[fuzz]'
	@$(BIN)/python tests/robustness/fuzz.py $(ARGS)

size: $(VENV)/.ready-test ## lines of each room of ffnn
	@$(BIN)/python -m pytest -q -s --no-header -p no:cacheprovider tests/test_house.py -k size

audit: ## known weaknesses of the pinned dependencies, where their list can be reached
	@test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/pip --disable-pip-version-check install --quiet pip-audit; }
	@.audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner=off --timeout=10 \
	  2> .audit/said || { grep 'known vulnerabilit' .audit/said && exit 1; \
	  echo "audit: nothing was checked, as the list of weaknesses cannot be reached ($$(tail -n 1 .audit/said | cut -c 1-120))"; }

clean: ## remove .venv and caches; runs stay
	rm -rf $(VENV) .audit .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
