# The front door: every target is one command of CMake or of tools/. `make` alone builds; `make help` lists what there is.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
# What `make deps` installs: build, check, fuzz, valgrind.
FOR ?= build

CONFIGURE = cmake -S . -G Ninja
PRODUCT = bilens_shared bilens_static bilens man

.DEFAULT_GOAL := build
.PHONY: help deps build demo demo-images test check wheel bench asan valgrind fuzz lint format reference deb install uninstall clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/    make \1\t\2/p' Makefile | expand -t 20
	@echo "Variables: BUILD=$(BUILD) PREFIX=$(PREFIX) DESTDIR= JOBS=$(JOBS) FUZZ_SECONDS=$(FUZZ_SECONDS) CMAKE_FLAGS= DEPS=skip (install nothing)"

deps: ## install the Debian packages that are missing (FOR="build check fuzz valgrind": more than the build needs)
	@tools/deps.sh $(FOR)

build: ## build/libbilens.so, build/libbilens.a, build/bilens, build/man
	@tools/deps.sh --check || tools/deps.sh
	@test -f $(BUILD)/build.ninja || $(CONFIGURE) -B $(BUILD) -DBILENS_TESTS=OFF $(CMAKE_FLAGS)
	@cmake --build $(BUILD) -j $(JOBS) --target $(PRODUCT)

demo: build ## make a report of a small model, and open it where there is a desktop
	@BUILD=$(BUILD) tools/demo.sh

demo-images: build ## train a small classifier of Fashion-MNIST, draw the gallery of its classes and a report of one
	@BUILD=$(BUILD) tools/demo-images.sh

test: ## the tests (T=NAME: those whose name holds NAME, e.g. make test T=eigen)
	@tools/deps.sh --check check || tools/deps.sh check
	@$(CONFIGURE) -B $(BUILD) -DBILENS_TESTS=ON $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j $(JOBS) $(if $(T),-R '$(T)')

check: ## everything that CI does: house rules, gcc and clang without a warning, lint, all tests, most of them sanitized too
	@tools/deps.sh --check check || tools/deps.sh check
	@BUILD=$(BUILD) JOBS=$(JOBS) tools/check.sh

wheel: ## the Python package with the library inside: build-wheel/bilens-*.whl, for any processor of this kind
	@tools/deps.sh --check wheel || tools/deps.sh wheel
	@JOBS=$(JOBS) CMAKE_FLAGS="$(CMAKE_FLAGS)" tools/wheel.sh

bench: build ## measure speed and memory (bench/run.sh)
	@cmake --build $(BUILD) -j $(JOBS) --target bench_programs
	@BILENS=$(BUILD)/bilens bench/run.sh

asan: ## the whole test suite under the address and undefined-behaviour sanitizers
	@tools/deps.sh --check check || tools/deps.sh check
	@BUILD=$(BUILD) JOBS=$(JOBS) tools/check.sh asan

valgrind: ## the tests, without the slow ones, under valgrind's memcheck (a quarter of an hour)
	@tools/deps.sh --check valgrind || tools/deps.sh valgrind
	@JOBS=$(JOBS) tools/valgrind.sh

fuzz: ## every fuzz target for FUZZ_SECONDS, two at a time (clang)
	@tools/deps.sh --check fuzz || tools/deps.sh fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) JOBS=$(JOBS) tools/fuzz.sh

lint: ## layers, formatting, clang-tidy with its analyzer: without building
	@tools/deps.sh --check check || tools/deps.sh check
	@tools/check.sh lint

format: ## put every C file into the project's style
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: build ## into $(DESTDIR)$(PREFIX)
	@$(CONFIGURE) -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target $(PRODUCT)
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

uninstall: ## remove what `make install` put into $(DESTDIR)$(PREFIX), by the build folder's list
	@BUILD=$(BUILD) DESTDIR=$(DESTDIR) tools/uninstall.sh

reference: ## the C library's reference manual (Doxygen) in build/reference/html
	@tools/deps.sh --check reference || tools/deps.sh reference
	@BUILD=$(BUILD) tools/reference.sh

deb: ## Debian packages in build-deb/, checked by lintian
	@tools/deps.sh --check deb || tools/deps.sh deb
	@JOBS=$(JOBS) tools/deb.sh

clean: ## remove the build folders and the demo's report
	rm -rf $(BUILD) build-asan build-valgrind build-fuzz build-deb build-wheel report-swim demo-images
