.DEFAULT_GOAL := help
.PHONY: .venv help

PYTHON ?=
export PYTHON

# Always `python -m`: scripts in .venv/bin name the folder they were made in and break when it moves.
PY := .venv/bin/python

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv: .venv/installed

.venv/installed: requirements.lock
	@tools/venv.sh
