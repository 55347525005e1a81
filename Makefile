# Everything a newcomer needs: `make demo` serves the example, `make test` runs the tests. `make soak` takes minutes.
# Each makes its own environment under .venv, anew when pyproject.toml has changed.

PYTHON ?= python3
VENV := .venv
# It compiles against Apache's headers. Without these, its tests say what is missing.
MOD_WSGI := $(if $(shell command -v apxs),'mod_wsgi>=5')

.PHONY: demo test lint soak clean

demo: $(VENV)/demo.stamp
	@echo "Edit examples/hello.py, save it, and load http://localhost:8080/page1 again. Ctrl-C ends it."
	@cd examples && ../$(VENV)/demo/bin/python hello.py

test: $(VENV)/test.stamp
	$(VENV)/test/bin/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/test.stamp
	$(VENV)/test/bin/ruff check
	$(VENV)/test/bin/ruff format --check
	$(VENV)/test/bin/mypy

soak: $(VENV)/test.stamp
	PYTHONPATH=tests $(VENV)/test/bin/python benchmarks/soak.py $(SOAK_ARGS)

clean:
	rm -rf $(VENV) .tox

$(VENV)/demo.stamp: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)/demo
	$(VENV)/demo/bin/python -m pip install --quiet --editable '.[cherrypy]'
	touch $@

$(VENV)/test.stamp: pyproject.toml requirements-test.txt
	$(PYTHON) -m venv --clear $(VENV)/test
	$(VENV)/test/bin/python -m pip install --quiet --editable '.[cherrypy,flup]' --requirement requirements-test.txt $(MOD_WSGI)
	touch $@
