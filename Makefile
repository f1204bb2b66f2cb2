# make setup | demo | test | check | verify NAME=... | bench NAME=... | docs | pictures NAME=... [FIGURE=... [RUN=...]]

PYTHON ?= python3
BIN := .venv/bin
NAME ?= convnet

.PHONY: setup demo test check verify bench docs pictures clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "deepcanon needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch .venv/ready

demo: setup
	$(BIN)/deepcanon train rnn-lm
	@echo && echo 'deepcanon generate last --prompt "The " --temperature 0.7' && echo
	@$(BIN)/deepcanon generate last --prompt "The " --temperature 0.7
	@echo && echo "curves, samples and figures: report.html in the run's folder"

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not slow'

verify: setup
	OMP_NUM_THREADS=1 $(BIN)/deepcanon verify $(NAME)

bench: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement benchmarks/requirements.txt
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/$(subst -,_,$(NAME)).py

docs: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/codespell deepcanon docs examples changes *.md
	$(BIN)/python docs/site/write.py build/site/source
	$(BIN)/python -m sphinx -W --keep-going -q -b html build/site/source build/site/html
	$(BIN)/python docs/site/check.py build/site/html
	@echo 'the site: build/site/html/index.html'

pictures: setup
	OMP_NUM_THREADS=1 $(BIN)/python docs/site/take.py $(NAME) $(FIGURE) $(RUN)

clean:
	rm -rf .venv build dist *.egg-info
