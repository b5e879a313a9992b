PYTHON ?= python3
VENV = .venv
RUN = $(VENV)/bin/python
READY = $(VENV)/ready

.PHONY: audit demo test

demo: $(READY)
	$(RUN) tests/tools/run_notebooks.py demo

test: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest -n 2 --dist worksteal

audit: $(READY)
	$(RUN) tests/tools/audit.py

$(READY): requirements.txt pyproject.toml
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(READY)
