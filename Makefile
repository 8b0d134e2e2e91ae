# On a fresh machine with Python 3.11: `make demo` does all set-up and runs the whole line, `make test` sets up and tests it.
.PHONY: setup demo test check clean

PYTEST = .venv/bin/python -m pytest

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
	$(PYTEST) -q -m "not slow"

test:
	@scripts/setup.sh --dev
	$(PYTEST)

clean:
	rm -rf .venv build *.egg-info
