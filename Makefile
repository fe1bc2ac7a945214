# make demo: from a fresh machine to a leaderboard page.  make test: the tests.
# make docs: the documentation as pages.  make check: style and types.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt
INSTALLED := $(VENV)/.installed

# The tests start many processes, each of which would compile every module that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo docs test test-all peers check format clean
install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "spikebench needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# pip finds the build of torch that its configuration names (CPU or CUDA). uv installs the rest several times faster;
	@# pip does it where there is no uv, or uv has no access to the packages.
	$(PIP) --no-compile torch
	{ $(PIP) --only-binary :all: uv && $(UV) -e '.[dev]'; } || $(PIP) -e '.[dev]'
	@# Compared with in the tests: the counters of NeuroBench, and networks that snnTorch exports with nirtorch. Without
	@# dependencies: tonic, one of them, is under the GPL.
	$(PIP) --no-deps neurobench snntorch nirtorch
	@touch $@

# One thread per process: two processes use both cores, each on half of the tests, and takes from the other in the end.
# test-all adds the tests marked slow.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow'

test-all: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Other libraries, several GB, for benchmarks/ and the tests of docs/examples; those tests are skipped without.
peers:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-peers.txt -e .

# Convert the recordings in data/digits, train two models, build the page.
demo: $(INSTALLED)
	rm -rf demo && mkdir demo
	@echo "--- 1/4 converting 840 recordings of synthetic voices"
	$(BIN)/spikebench convert data/digits demo/spoken-digits.h5 --channels 70 --synthetic \
	  --labels heidelberg-digits --speakers heidelberg-digits --split data/digits/splits.csv
	@echo "--- 2/4 a spiking network"
	$(BIN)/spikebench evaluate --model lif --data demo/spoken-digits.h5 -o demo/lif
	@echo "--- 3/4 a conventional one"
	$(BIN)/spikebench evaluate --model lstm --data demo/spoken-digits.h5 -o demo/lstm
	@echo "--- 4/4 the leaderboard"
	$(BIN)/spikebench submit demo/lif --entries demo/entries
	$(BIN)/spikebench submit demo/lstm --entries demo/entries
	$(BIN)/spikebench leaderboard build --entries demo/entries -o demo/site
	@echo "The page: $(CURDIR)/demo/site/index.html"
	@echo "Next: $(BIN)/spikebench view demo/spoken-digits.h5   (look at the spikes, listen to them)"
	@echo "      docs/own_model.md                           (your own network under the same protocol)"

# Every warning is an error. The root is the source folder (docs/conf.py).
docs: $(INSTALLED)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs -d build/doctrees -b html . build/docs
	@echo "The documentation: $(CURDIR)/build/docs/index.html"

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
