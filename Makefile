# make demo   set up everything and run the main job on the shipped example, Princess Ophelia
# make test   set up and pass all checks and the default tests
# make check  ruff and the type checker only
# make slow   the tests that train and serve for longer

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo/ophelia
DIALOGUES := 320

# Waiting OpenMP threads that spin take the core from whoever shares it.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup demo test check slow clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml packages/understudy-miniatures/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-e packages/understudy-miniatures -e .
	touch $(READY)

demo: $(READY)
	@test -f $(DEMO)/character.yaml || $(BIN)/understudy init $(DEMO) --example ophelia
	$(BIN)/understudy teach $(DEMO) --teacher understudy/mini-star --from-sheet --dialogues $(DIALOGUES)
	$(BIN)/understudy run $(DEMO) --base-model understudy/mini --star understudy/mini-star --quick

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A file of tests stays in one process, so that what its tests share is made once.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile

slow: $(READY)
	$(BIN)/pytest -m slow

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
