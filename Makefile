# GNU make and a Python from 3.10 to 3.14 are all that this needs; `make help` lists what it does.
# Options: PYTHON=python3.12  VENV=.venv  DATA=moons  ARGS="-k solvers"  JOBS=2  NOTEBOOKS="tutorials/03_*.ipynb"

VENV ?= .venv
JOBS ?= 2
PY := $(VENV)/bin/python
BASE := $(VENV)/.base-stamp
DEMO := $(VENV)/.demo-stamp
FULL := $(VENV)/.full-stamp
SITE := $(VENV)-site/.with-mathjax
API := $(VENV)-api/.stamp
# The pinned torch has no wheels for other Pythons.
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
# pip would compile every file in one process, the tests of all packages too: a third of its time.
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
COMPILE = $(PY) -m compileall -qq -j $(JOBS) -x "/tests?/" $(VENV)/lib minicm || true
SPREAD = -n $(JOBS) --durations 10
# A Python that was asked for by name is used or refused; otherwise the first that fits.
ifeq ($(origin PYTHON),undefined)
PYTHONS := python3 python python3.14 python3.13 python3.12 python3.11 python3.10
else
PYTHONS := "$(PYTHON)"
endif

.DELETE_ON_ERROR:
.PHONY: help demo explore test test-all quick lab course stable lock site api doctor assignments grade marks gradescope slides clean distclean

help:
	@echo "make demo     train a teacher and a consistency model on 2D data (DATA=moons, ...), half a minute"
	@echo "make explore  write out/explore.html, a page on which a noise is dragged to where it ends"
	@echo "make lab      open the course in JupyterLab"
	@echo "make test     run all tests and every notebook (ARGS=\"-k paths\" for some)"
	@echo "make quick    run the tests, without notebooks and slow ones"
	@echo "make course   execute the notebooks afresh and store their outputs (NOTEBOOKS=... for some)"
	@echo "make stable   run notebooks and trainings on stand-ins for other machines (NOTEBOOKS=... SEEDS=10 TIMES=1)"
	@echo "make site     build the course, the reference and explore as web pages in out/site, from the stored outputs"
	@echo "make api      build the reference of the package from its docstrings, in out/api"
	@echo "make assignments the students' notebooks without solutions, in out/assignments (VARIANT=2027-spring)"
	@echo "make grade    grade what students handed in: IN=folder_or_zip OUT=folder (ROSTER=names.csv VARIANT=... as released)"
	@echo "make marks    add the marks of to_mark.csv to the tables and feedback pages of grade: OUT=folder"
	@echo "make gradescope A=a1 an autograder for Gradescope, in out/gradescope_a1.zip"
	@echo "make slides   a deck for each week, from the lessons, in out/slides"
	@echo "make test-all make test, and the lessons with every weight nudged, twice"
	@echo "make lock     write constraints.txt anew, from constraints.in"
	@echo "make doctor   check this computer and say how to mend what is wrong"
	@echo "make clean    remove out/ and caches;  make distclean  removes $(VENV) too"

demo: $(DEMO)
	@$(ONE_THREAD) $(PY) -m minicm demo $(if $(DATA),--data "$(DATA)")

explore: $(DEMO)
	@$(ONE_THREAD) $(PY) -m minicm explore

test: $(FULL)
	$(ONE_THREAD) $(PY) -m pytest $(SPREAD) $(ARGS)

quick: $(FULL)
	$(ONE_THREAD) $(PY) -m pytest tests $(SPREAD) -m "not slow" $(ARGS)

# The lessons that train, which must come out the same when every weight is nudged.
TRAIN = $(wildcard tutorials/0[4789]_*.ipynb tutorials/08b_*.ipynb tutorials/1[0234]_*.ipynb tutorials/13b_*.ipynb)
test-all: $(FULL)
	$(ONE_THREAD) $(PY) -m pytest $(SPREAD) $(ARGS)
	$(PY) tests/stable.py $(TRAIN) --seeds 2 --only nudge --jobs $(JOBS)

# The file browser shows the lessons, their solutions and the glossary, and not what makes them.
HIDDEN = ["__pycache__", "*.py", "*.toml", "*.json", "assignments", "templates"]
lab: $(FULL)
	$(ONE_THREAD) $(PY) -m jupyterlab --notebook-dir=tutorials --ContentsManager.hide_globs='$(HIDDEN)'

course: $(FULL)
	MINICM_REFRESH=1 $(ONE_THREAD) $(PY) tutorials/execute.py $(NOTEBOOKS)

stable: $(FULL)
	@$(PY) tests/stable.py $(NOTEBOOKS) --jobs $(JOBS) $(if $(TIMES),--times $(TIMES)) $(if $(SEEDS),--seeds $(SEEDS))

# Jupyter Book has an environment of its own: it wants older versions of what JupyterLab needs.
# The pages ask no network: MathJax, the reference and the page of make explore lie among them.
PAGES := out/site/_build/html
site: $(SITE) api
	$(VENV)-site/bin/jupyter-book build tutorials --config "$(CURDIR)/docs/site/_config.yml" \
		--toc "$(CURDIR)/docs/site/_toc.yml" --path-output out/site
	@rm -rf $(PAGES)/_static/mathjax $(PAGES)/api && cp -R out/api $(PAGES)/api
	@cp -R $(VENV)-site/lib/python*/site-packages/jupyter_server_mathjax/static $(PAGES)/_static/mathjax
	@$(ONE_THREAD) $(PY) -m minicm explore --out $(PAGES)/explore.html

# pdoc imports what it documents: it runs in $(VENV) and lies in a folder beside it, which only this command sees.
api: $(API)
	@PYTHONPATH=$(VENV)-api $(ONE_THREAD) $(PY) -m pdoc minicm '!minicm\.course' '!.*__main__' \
		--output-directory out/api --no-show-source --template-directory docs/api
	@echo "the reference begins at out/api/minicm.html"

# Names of files and folders reach the shell as variables: whatever is in them, it is no command.
export IN OUT ROSTER NAMES VARIANT A
TERM_OF = $(if $(VARIANT),--term "$$VARIANT")
assignments: $(FULL)
	@$(ONE_THREAD) $(PY) -m tutorials.assignments.release $(TERM_OF)

grade: $(FULL)
	@if [ -z "$$IN" ] || [ -z "$$OUT" ]; then \
		echo "minicm: expected make grade IN=folder_or_zip OUT=folder" >&2; exit 1; fi
	@$(ONE_THREAD) $(PY) -m tutorials.assignments.grade "$$IN" "$$OUT" --jobs $(JOBS) $(TERM_OF) \
		$(if $(ROSTER),--roster "$$ROSTER") $(if $(NAMES),--names "$$NAMES") $(GRADE)

marks: $(FULL)
	@if [ -z "$$OUT" ]; then echo "minicm: expected make marks OUT=folder, as made by make grade" >&2; exit 1; fi
	@$(ONE_THREAD) $(PY) -m tutorials.assignments.marks "$$OUT"

gradescope: $(FULL)
	@if [ -z "$$A" ]; then echo "minicm: expected make gradescope A=a1" >&2; exit 1; fi
	@$(PY) -m tutorials.assignments.gradescope "$$A" $(TERM_OF)

slides: $(FULL)
	@$(PY) tutorials/slides.py

# The newest versions that fit together, for every Python and platform.  What follows it: make course, make test.
lock: $(BASE)
	@$(PY) -m venv --clear $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@{ echo "# Every version that decides what is printed, tested or graded, on each platform: written by make lock."; \
		$(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate \
		-c constraints.in $(foreach extra,notebooks test classroom dev,--extra $(extra)) pyproject.toml \
		| grep -Ev "^(nvidia|cuda|triton)"; } >constraints.tmp && mv constraints.tmp constraints.txt

doctor: $(FULL)
	@$(ONE_THREAD) $(PY) -m minicm doctor

clean:
	rm -rf out build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage
	find . -path "./$(VENV)" -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -print | \
		while IFS= read -r folder; do rm -rf "$$folder"; done

distclean: clean
	rm -rf "$(VENV)" "$(VENV)-site" "$(VENV)-api" "$(VENV)-lock"

# A stamp is written after an installation that succeeded; the first holds the folder it was made for: an environment
# that was moved or copied together with the repository would import minicm from the old place.
ifneq ($(shell cat $(DEMO) 2>/dev/null),$(CURDIR))
.PHONY: $(DEMO) $(FULL)
endif
# Never two of pip at a time.
.NOTPARALLEL:

$(BASE):
	@if $(PY) -c 'import pip; $(FITS)' 2>/dev/null; then touch $@; exit 0; fi; \
	for python in $(PYTHONS); do \
		if "$$python" -c '$(FITS)' 2>/dev/null; then \
			echo "making $(VENV) with $$python"; \
			"$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
			rm -rf "$(VENV)"; \
			echo "minicm: $$python cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2; \
			exit 1; \
		fi; \
	done; \
	echo "minicm: needs a Python from 3.10 to 3.14, tried: $(subst ",,$(PYTHONS)); name one with make PYTHON=..." >&2; exit 1

$(DEMO): pyproject.toml constraints.txt | $(BASE)
	@echo "installing minicm and torch into $(VENV): once, may take some minutes"
	@$(INSTALL) -e .
	@$(COMPILE)
	@echo "installed"
	@printf '%s' "$(CURDIR)" >$@

$(FULL): pyproject.toml constraints.txt | $(BASE)
	@echo "installing minicm, torch and what the notebooks and tests need into $(VENV): once, may take some minutes"
	@$(INSTALL) -e ".[notebooks,test]"
	@$(COMPILE)
	@echo "installed"
	@printf '%s' "$(CURDIR)" >$(DEMO)
	@touch $@

$(SITE): $(BASE)
	@echo "installing Jupyter Book into $(VENV)-site: once"
	@$(PY) -m venv --clear $(VENV)-site
	@$(VENV)-site/bin/python -m pip install --quiet --disable-pip-version-check "jupyter-book<2" jupyter-server-mathjax
	@touch $@

$(API): $(DEMO)
	@echo "installing pdoc into $(VENV)-api: once"
	@rm -rf $(VENV)-api && mkdir $(VENV)-api
	@$(PY) -m pip install --quiet --disable-pip-version-check --target $(VENV)-api "pdoc>=15"
	@touch $@
