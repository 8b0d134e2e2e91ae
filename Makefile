# On a fresh machine with Python 3.11: `make demo` does all set-up and runs the whole line, `make test` sets up and tests it.
.PHONY: setup demo test check clean

PYTEST = .venv/bin/python -m pytest
# The short tests share the cores; those that train or serve in earnest take all of them, one after the other.
SHORT = -m "not slow" -n logical --maxprocesses 4 --dist loadfile

setup:
	@scripts/setup.sh

demo: setup
	@.venv/bin/style-clone demo

check:
	@scripts/setup.sh --dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/hadolint --failure-threshold style Dockerfile
	$(PYTEST) -q $(SHORT)

test:
	@scripts/setup.sh --dev
	$(PYTEST) $(SHORT)
	$(PYTEST) -m "slow and not long"

clean:
	rm -rf .venv build *.egg-info
