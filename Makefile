# Everything a newcomer needs: `make demo` serves the example, `make test` runs the tests. `make soak` takes minutes;
# `make conformance`, which runs other people's tests, and `make bench`, which measures it beside its peers, hours. Each
# makes its own environment under .venv, anew when pyproject.toml has changed.

PYTHON ?= python3
VENV := .venv
JAVASCRIPT := .ci/javascript
# It compiles against Apache's headers. Without these, its tests are left out.
MOD_WSGI := $(if $(shell command -v apxs),'mod_wsgi>=5')

.PHONY: demo test say-what-test-needs lint soak bench conformance clean

demo: $(VENV)/demo.stamp
	@echo "Edit examples/hello.py, save it, and load http://localhost:8080/page1 again. Ctrl-C ends it."
	@cd examples && ../$(VENV)/demo/bin/python hello.py

# PYTEST_ARGS has the last word: "-n 0" runs one test at a time, in one process.
test: say-what-test-needs $(VENV)/test.stamp
	$(VENV)/test/bin/python -m pytest -n auto --dist loadgroup $(PYTEST_ARGS)

say-what-test-needs:
	@echo "The tests need $(PYTHON) 3.10 or newer on Linux, git, and at first a network: pip fills $(VENV)/test, in two minutes."
	@echo "All of them take about six minutes on two cores. Those that need a web server or a browser that is missing"
	@echo "are left out; the last lines say which these are, and how to get it."

lint: $(VENV)/test.stamp $(VENV)/javascript.stamp
	$(VENV)/test/bin/ruff check
	$(VENV)/test/bin/ruff format --check
	$(VENV)/test/bin/mypy
	$(JAVASCRIPT)/node_modules/.bin/eslint --config $(JAVASCRIPT)/eslint.config.mjs --max-warnings 0 src

soak: $(VENV)/test.stamp
	PYTHONPATH=tests/support $(VENV)/test/bin/python benchmarks/soak.py $(SOAK_ARGS)

bench: $(VENV)/bench.stamp
	$(VENV)/bench/bin/python -m benchmarks.reloading --output .bench $(BENCH_ARGS)

conformance: $(VENV)/conformance.stamp
	$(VENV)/conformance/bin/python -m benchmarks.conformance $(CONFORMANCE_ARGS)

clean:
	rm -rf $(VENV) .tox .bench .conformance $(JAVASCRIPT)/node_modules

$(VENV)/demo.stamp: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)/demo
	$(VENV)/demo/bin/python -m pip install --quiet --editable '.[cherrypy]'
	touch $@

$(VENV)/test.stamp: pyproject.toml requirements-test.txt
	$(PYTHON) -m venv --clear $(VENV)/test
	$(VENV)/test/bin/python -m pip install --quiet --editable '.[cherrypy,cli,flup]' --requirement requirements-test.txt $(MOD_WSGI)
	touch $@

# Node's package manager puts it beside what asks for it; no lock file, as that has the address of a registry.
$(VENV)/javascript.stamp: $(JAVASCRIPT)/package.json
	npm install --prefix $(JAVASCRIPT) --no-package-lock --no-audit --no-fund --loglevel error
	mkdir -p $(VENV)
	touch $@

$(VENV)/bench.stamp: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv --clear $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --editable '.[cherrypy]' --requirement benchmarks/requirements.txt
	touch $@

$(VENV)/conformance.stamp: pyproject.toml benchmarks/conformance/requirements.txt
	$(PYTHON) -m venv --clear $(VENV)/conformance
	$(VENV)/conformance/bin/python -m pip install --quiet --editable . --requirement benchmarks/conformance/requirements.txt
	touch $@
