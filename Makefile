# Holdfast. `make help` lists the targets; every one can be run again and does only what is left.

PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= 2
FUZZ_SECONDS ?= 30
LAB_DIR ?= build/lab
PROGRAM = build/release/bin/holdfast

.DEFAULT_GOAL := all
.PHONY: all demo demo-svg lab lab-down test bench fuzz lint format install clean help

all: ## build the program, build/release/bin/holdfast (the default)
	@scripts/install-dependencies.sh build
	@scripts/build.sh release holdfast

demo: all ## a disaster in a minute, on a copy of this machine's /usr/share and /etc
	@scripts/install-dependencies.sh demo
	@scripts/demo.sh $(PROGRAM)

demo-svg: all ## run the demo and draw its output into docs/demo.svg
	@scripts/install-dependencies.sh demo lint
	@scripts/demo-svg.py --output docs/demo.svg -- scripts/demo.sh $(PROGRAM)

lab: all ## start two S3 regions below LAB_DIR (build/lab) and say what to type next
	@scripts/install-dependencies.sh lab
	@lab/regions.sh up "$(LAB_DIR)"

lab-down: ## stop the two regions and remove all that is in them
	@lab/regions.sh down "$(LAB_DIR)"

# The tests of the lab mostly wait.
test: ## build and run all tests
	@scripts/install-dependencies.sh build test lab
	@scripts/test-servers.sh
	@scripts/build.sh release --tests
	@ctest --test-dir build/release --output-on-failure --parallel $$(($(JOBS) + 2)); status=$$?; \
	  scripts/test-servers.sh --not-run; exit $$status

bench: all ## compare with its peers, into bench/results (BENCH_SMALL=1: a short trial)
	@scripts/install-dependencies.sh bench lab
	@bench/run.py $(PROGRAM)
	@bench/postgres.py $(PROGRAM)
	@bench/mariadb.py $(PROGRAM)

fuzz: ## run every fuzzer for FUZZ_SECONDS (30)
	@scripts/install-dependencies.sh build fuzz
	@scripts/fuzz.sh $(FUZZ_SECONDS)

lint: ## check format, layers and clang-tidy
	@scripts/install-dependencies.sh build test lint
	@scripts/lint.sh format layers tidy

format: ## rewrite the sources in the project's format
	@scripts/install-dependencies.sh lint
	@scripts/lint.sh fix

install: all ## install below PREFIX (/usr/local): program, man pages, completions, examples
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

clean: ## remove everything that was built, and the regions of make lab
	@lab/regions.sh down "$(LAB_DIR)"
	@lab/regions.sh down build/demo/lab
	rm -rf build

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
