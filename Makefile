# Two commands on a fresh machine: `make demo` (set up, run a small ablation, print the comparison)
# and `make test` (set up, run every test).

PYTHON ?= python3
# What to install as PyTorch, in pip's words. Empty: the version pinned in requirements.lock, as the
# package index offers it (on Linux, the CUDA build). See README, "CPU or CUDA".
TORCH ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := platform tests benchmarks

.PHONY: help setup system demo test test-faults lint format bench ui clean up down backup restore

help:
	@echo "make demo     set up and run the quickstart ablation to its comparison and report"
	@echo "make test     set up and run every test (installs Debian packages that tests use, where it may)"
	@echo "make system   only those packages"
	@echo "make test-faults  100 rounds of kill -9 over a grid of tiny trials"
	@echo "make lint     ruff, mypy --strict, import-linter"
	@echo "make format   format the code"
	@echo "make bench    run the benchmarks, results under benchmarks/results/"
	@echo "make ui       open the MLflow UI on this machine"
	@echo "make up       start the team's stack with Docker; down, backup, restore FROM=FOLDER: docs/operations.md"
	@echo "make clean    remove the virtual environment and caches (never mlruns/)"

setup: $(READY)

# What tests use from the distribution: PostgreSQL servers, a browser to open reports in, LaTeX for their
# tables, the checker of compose files.
# Installed where that is possible without asking (Debian, as root); elsewhere those tests are skipped and say so.
SYSTEM := postgresql chromium chromium-driver docker-compose texlive-latex-recommended
system:
	@if dpkg -s $(SYSTEM) >/dev/null 2>&1; then :; \
	elif command -v apt-get >/dev/null && test "$$(id -u)" = 0; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM) >/dev/null; \
	else echo "note: tests skip what they need of: $(SYSTEM) (on Debian: sudo make system)"; fi

$(READY): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ablab needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifeq ($(strip $(TORCH)),)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	grep -v '^torch==' requirements.lock > $(VENV)/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
endif
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)
	@$(BIN)/ablab grid run ablations/quickstart.yaml
	@$(BIN)/ablab compare quickstart
	@$(BIN)/ablab report quickstart --format html

test: system $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

# Goes on where it was stopped: rounds that the file holds are not played again.
test-faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.rounds --rounds 100 --out benchmarks/results/faults.json

lint: $(READY)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(READY)
	$(BIN)/python -m benchmarks

ui: $(READY)
	$(BIN)/ablab ui

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache platform/ablab.egg-info

up:
	docker compose up --detach --build --wait

down:
	docker compose --profile optuna --profile gpu down

backup:
	@deploy/backup.sh

restore:
	@test -n "$(FROM)" || { echo "name the folder: make restore FROM=backups/..."; exit 2; }
	docker compose --profile optuna --profile gpu stop mlflow scheduler optuna-dashboard worker
	@deploy/restore.sh "$(FROM)"
	docker compose up --detach --wait
