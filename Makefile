.DEFAULT_GOAL := help
.PHONY: .venv bench bench-baseline check clean demo help lock run schemathesis soak test

# Names the one Python to use; without it the first of python3.13, 3.12, 3.11 that works is taken.
PYTHON ?=
export PYTHON

# Always `python -m`: scripts in .venv/bin name the folder they were made in and break when it moves.
PY := .venv/bin/python
export HYPOTHESIS_STORAGE_DIRECTORY := .cache/hypothesis

# What to give pytest, or the simulator, on top, for example: make test ARGS='tests/unit -k token'
ARGS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv ## Start NATS, the store and every service here; Ctrl-C stops them, data stays in .data/
	@$(PY) -m deploy.local run

demo: .venv ## As run, with 20 simulated trees; Ctrl-C verifies what they sent and stops both (ARGS=... for the simulator)
	@$(PY) -m tools.simulator.demo $(ARGS)

test: .venv ## Run every test, scaled down, and hold the coverage floors (ARGS=... goes to pytest)
	@$(if $(ARGS),,$(PY) -m tools.schemathesis_environment --within 25 || true)
	@$(PY) -m tools.run_tests $(ARGS)

soak: .venv ## Run the tests with the full numbers (SOAK_SEED=... repeats a run)
	@$(if $(ARGS),,$(PY) -m tools.schemathesis_environment || true)
	@$(PY) -m tools.run_tests --soak $(ARGS)

schemathesis: .venv ## Make the environment of schemathesis, without which its tests skip (needs the network, once)
	@$(PY) -m tools.schemathesis_environment

check: .venv ## Lint, types, import rules, generated tables, links; quick enough for every commit
	@$(PY) -m tools.check

bench: .venv ## Measure against the bare bus and the bare store, and print one table
	@$(PY) -m tools.bench
	@$(PY) -m tools.bench.mqtt_codec

bench-baseline: .venv ## The same load on us and on Mosquitto with a paho script, side by side
	@$(PY) -m tools.bench.baseline

lock: ## Compile requirements.lock anew from pyproject.toml (needs the network)
	@tools/lock.sh

clean: ## Remove what make made; data in .data/ stays
	rm -rf .venv .cache .coverage .hypothesis
	find deploy libs services tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew as well when its Python has gone, or is not the PYTHON that was asked for.
.venv: .venv/installed
	@$(PY) -V >/dev/null 2>&1 && { [ -z "$(PYTHON)" ] || [ "$$($(PYTHON) -V 2>&1)" = "$$($(PY) -V)" ]; } \
		|| tools/venv.sh

.venv/installed: requirements.lock
	@tools/venv.sh
