# ruvector-edge. `make` alone prints the lines below that start with two hashes.
#
# Variables: TARGET=host|arm64|riscv64, CROSS= (tool prefix), CXX=, SANITIZE=address|thread,
# MUTATIONS=1, ROOMS="base kernels" (only these), BUILD= (another output folder), JOBS=,
# FILTER= (native tests), ONLY= (vitest files), BUDGET_S= (verify). All output lies in $(BUILD).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
MAKEFLAGS += --no-print-directory --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

TARGET ?= host
SANITIZE ?=
MUTATIONS ?=
VARIANT := $(if $(SANITIZE),-$(subst address,asan,$(subst thread,tsan,$(SANITIZE))))
VARIANT := $(VARIANT)$(if $(MUTATIONS),-mut)
BUILD ?= build/$(TARGET)$(VARIANT)
BUDGET_S ?= 900
FILTER ?=
ONLY ?=
NODE ?= node

COMMA := ,
# npm keeps build/host in package.json's `exports`: the JavaScript is the same for all targets.
JS := build/host/js
NPM_STAMP := node_modules/.ruvector-edge-stamp

.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

include native/build.mk
include native/cli/build.mk
include native/test/golden/golden.mk
include examples/c/build.mk

## run: build, then start broker, simulated bearing and memory (store in ./data); Ctrl-C stops
.PHONY: run
run: build
	@exec $(BUILD)/rve serve --sim bearing

## build: the addon, the JavaScript and the command build/host/rve
.PHONY: build
build: $(BUILD)/rve

$(NPM_STAMP): package.json package-lock.json
	@echo "  NPM   ci"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
	@touch $@

TS_ROOMS := $(wildcard sensors sim runtime firmware-bridge/host tools/dump)
TS_SOURCES := $(shell find $(TS_ROOMS) -name '*.ts' 2>/dev/null)
TSC := node_modules/typescript/bin/tsc

$(JS)/.stamp: $(TS_SOURCES) tsconfig.json tsconfig.build.json $(NPM_STAMP)
	@echo "  TSC   $(JS)"
	@mkdir -p $(JS)
	@$(NODE) $(TSC) -p tsconfig.build.json
	@touch $@

# A slim script: the program itself is runtime/main.ts, which runs when it is imported. Boards get
# another file of this name: targets/targets.mk.
ifeq ($(TARGET),host)
$(BUILD)/rve: $(JS)/.stamp $(ADDON) Makefile
	@printf '%s\n' '#!/usr/bin/env node' "import('./js/runtime/main.js');" > $@
	@chmod 755 $@
endif

include targets/targets.mk
include targets/qemu/system.mk

## test: every test of this machine, native and JavaScript
.PHONY: test
test:
	@status=0; \
	$(MAKE) build $(BUILD)/native_test $(BUILD)/rve-core || status=1; \
	$(MAKE) generated-check || status=1; \
	$(MAKE) test-native || status=1; \
	$(MAKE) test-example-c || status=1; \
	$(MAKE) test-js || status=1; \
	exit $$status

## test-native: the C++ tests; FILTER=text, SANITIZE=address|thread, MUTATIONS=1, ROOMS="base"
.PHONY: test-native
test-native: $(BUILD)/native_test
	@$(SANITIZER_ENV) $(RUNNER) $(BUILD)/native_test $(if $(FILTER),--filter $(FILTER))

## test-js: type check, then the TypeScript tests from source; ONLY=sensors
.PHONY: test-js
test-js: build $(BUILD)/rve-core
	@$(NODE) $(TSC) -p tsconfig.json
	@$(NODE) node_modules/vitest/vitest.mjs run $(ONLY) </dev/null

## generate: write the tables that come from status.def and limits.hpp
.PHONY: generate generated-check
generate:
	@$(NODE) tools/gen_status.mjs
	@$(NODE) tools/gen_limits.mjs

generated-check:
	@$(NODE) tools/gen_status.mjs --check
	@$(NODE) tools/gen_limits.mjs --check

# Heavy tests run in `make test` with small counts. RVE_VERIFY=1 asks them for the large ones,
# within
# RVE_BUDGET_S seconds. They are all of native/test/*/, *_heavy_test.cpp and *.heavy.test.ts.
HEAVY_NATIVE := $(wildcard native/test/*/*_test.cpp native/*/*_heavy_test.cpp)
HEAVY_JS := $(filter %.heavy.test.ts,$(TS_SOURCES))
MUTATION_TESTS := $(wildcard native/test/*/mutation_test.cpp)
# ThreadSanitizer has something to say of tests that start threads, and slows the others tenfold.
THREAD_TESTS := $(shell grep -lE 'std::thread|[Tt]hreads' $(wildcard native/*/*_test.cpp \
  native/test/*/*_test.cpp))
EMPTY :=
# All the paths as one filter: native_test takes texts with commas between.
as_filter = $(subst $(EMPTY) $(EMPTY),$(COMMA),$(strip $(1)))
HEAVY_FILTER := $(call as_filter,$(HEAVY_NATIVE))

## verify: sanitizers, mutations and the heavy tests, within BUDGET_S=900 seconds
.PHONY: verify
verify:
	@status=0; export RVE_BUDGET_S=$$(($(BUDGET_S) / 4)); \
	$(MAKE) test-native SANITIZE=address || status=1; \
	$(MAKE) test-native SANITIZE=thread TESTS_ONLY="$(THREAD_TESTS)" || status=1; \
	$(if $(MUTATION_TESTS),$(MAKE) test-native MUTATIONS=1 TESTS_ONLY="$(MUTATION_TESTS)" \
	  || status=1;) \
	export RVE_VERIFY=1; \
	$(if $(HEAVY_NATIVE),$(MAKE) test-native FILTER=$(HEAVY_FILTER) || status=1;) \
	$(if $(HEAVY_JS),$(MAKE) test-js ONLY=.heavy.test.ts || status=1;) \
	exit $$status

## bench: the figures of the README, beside peers that are installed; NAME="curves" OPTIONS="..."
.PHONY: bench
bench: build
	@$(NODE) bench/run.mjs $(or $(NAME),all) $(OPTIONS)

## tidy: import arrows (a broken one fails) and a report on the points of style
.PHONY: tidy
tidy:
	@$(NODE) tools/tidy.mjs

## clean: remove all output; node_modules and ./data stay
.PHONY: clean
clean:
	@rm -rf build
