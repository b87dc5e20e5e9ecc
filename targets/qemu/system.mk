# Emulated boards: a whole machine boots, and `rve hil` plays scenarios on it. README.md tells how to
# run one by hand.
#
#   HIL_CUTS=3          power cuts of scenario power-cut (200 by hand)
#   HIL_REPLAY_CUTS=40  cuts of each replayed block log
#   HIL_JOBS            machines at once (the JOBS of this make, at most 2: each takes a core)
#   HIL_SEED            of data and moments; random and printed without
#   HIL_1M=1            also a store of a million vectors
#   HIL_TTY=1           also as on a real board, behind terminals of this host (arm64: always)
#   HIL_ALLOW_MISSING=1 a scenario that cannot run here is told, and is no failure
#   HIL_ONLY="boot"     these scenarios alone

HIL_CUTS ?= 3
HIL_REPLAY_CUTS ?= 40
HIL_JOBS ?= $(if $(filter 1,$(JOBS)),1,2)
HIL_1M ?=
HIL_TTY ?= $(if $(filter command environment,$(origin HIL_ONLY)),,$(filter arm64,$(TARGET)))
HIL_SEED ?=
HIL_ALLOW_MISSING ?=

SYSTEM := $(BUILD)/system
STORES := build/host/stores
HIL_SCENARIOS := boot power-cut replay control-no-sync control-no-flush disk-trouble clock memory \
  $(if $(filter riscv64,$(TARGET)),first-start) $(if $(HIL_1M),memory-1m)
HIL_ONLY ?= $(HIL_SCENARIOS)
# What the packed program is linked to; the launcher of riscv64 needs nothing.
SYSTEM_LIBRARIES_arm64 := $(BUILD)/sysroot
SYSTEM_SOURCES := targets/qemu/image.mjs targets/qemu/cpio.mjs $(wildcard targets/qemu/guest/*)

$(BUILD)/system-debs/.stamp: targets/qemu/$(TARGET).debs.json $(DEBS_SOURCES)
	@echo "  DEBS  $(BUILD)/system-debs"
	@$(NODE) tools/debs/main.mjs $< $(BUILD)/system-debs
	@touch $@

$(SYSTEM)/.stamp: $(BUILD)/system-debs/.stamp $(BUILD)/rve $(BUILD)/rve-core $(SYSTEM_SOURCES) \
  $(if $(SYSTEM_LIBRARIES_$(TARGET)),$(SYSROOT)/.stamp)
	@$(NODE) targets/qemu/image.mjs $(TARGET) $(BUILD)/system-debs $(BUILD)/rve $(BUILD)/rve-core \
	  "$(SYSTEM_LIBRARIES_$(TARGET))" $(SYSTEM)
	@touch $@

## qemu-images: kernel, RAM disk and system disk of an emulated board; TARGET=arm64|riscv64
.PHONY: qemu-images
qemu-images: $(SYSTEM)/.stamp

# Made on this host and opened on the board: a test of the format, and of what a store costs there.
$(STORES)/rows-%.rve: $(if $(filter host,$(TARGET)),build/host/rve-core)
	@mkdir -p $(@D)
	@echo "  STORE $@"
	@rm -f $@ && build/host/rve-core bench $@ --dims 128 --rows $* --queries 1 --json >/dev/null

# A variable is set only where a scenario that runs has it: rve hil refuses any other.
HIL_RUN = build/host/rve hil --target $(TARGET) $(if $(HIL_SEED),--seed $(HIL_SEED)) \
  $(if $(HIL_ALLOW_MISSING),--allow-missing) --jobs $(HIL_JOBS) --console $(SYSTEM) \
  --junit $(SYSTEM)/junit.xml --json \
  $(if $(filter power-cut,$(HIL_ONLY)),--set cuts=$(HIL_CUTS)) \
  $(if $(filter replay control-%,$(HIL_ONLY)),--set replay_cuts=$(HIL_REPLAY_CUTS)) \
  $(HIL_ONLY:%=targets/qemu/scenarios/%.toml)

# Beside the others, which leave a core idle towards their end.
TTY_RUN = $(NODE) targets/qemu/tty_board.mjs $(TARGET) $(SYSTEM)

## qemu-system: boot, ingest, power cuts and trouble on an emulated board; TARGET=arm64|riscv64
.PHONY: qemu-system
qemu-system:
	@$(if $(PORT_NAME_$(TARGET)),,echo "qemu-system: TARGET is arm64 or riscv64" >&2; exit 1;) \
	started=$$SECONDS; \
	$(MAKE) TARGET=host build build/host/rve-core; \
	$(MAKE) TARGET=host $(STORES)/rows-100000.rve $(if $(HIL_1M),$(STORES)/rows-1000000.rve); \
	$(MAKE) qemu-images; \
	echo "qemu-system $(TARGET): images after $$((SECONDS - started)) s"; \
	$(MAKE) qemu-play

# Apart, for `make -n` runs every line that names $(MAKE).
.PHONY: qemu-play
qemu-play:
	@started=$$SECONDS; status=0; \
	$(if $(HIL_TTY),$(TTY_RUN) >$(SYSTEM)/tty.log 2>&1 & tty=$$!;) \
	$(HIL_RUN) >$(SYSTEM)/verdicts.json || status=1; \
	$(if $(HIL_TTY),wait $$tty || status=1; cat $(SYSTEM)/tty.log;) \
	echo "qemu-system $(TARGET): $$((SECONDS - started)) s; junit and consoles in $(SYSTEM)"; \
	$(NODE) targets/qemu/figures.mjs $(SYSTEM)/verdicts.json $(SYSTEM)/figures.json; \
	$(NODE) tools/budget/main.mjs $(PORT)/budget.json --measured $(SYSTEM)/figures.json || status=1; \
	exit $$status

## qemu-install: the packages of Debian that make qemu needs; asks for root if one is missing
.PHONY: qemu-install
qemu-install:
	@targets/qemu/install.sh

## qemu: both boards' builds and all their emulated tests; installs what that needs
.PHONY: qemu
qemu: qemu-install
	@status=0; for target in arm64 riscv64; do \
	  started=$$SECONDS; \
	  $(MAKE) qemu-user TARGET=$$target AND_SYSTEM=1 || status=1; \
	  echo "qemu $$target: $$((SECONDS - started)) s in all"; \
	done; exit $$status
