# The C++ rules. Sources are found by room; a room that is absent adds nothing.
#
# File names choose instruction sets: x_avx2.cpp, x_avx512.cpp, x_sse42.cpp (x86-64), x_neon.cpp,
# x_dotprod.cpp, x_armcrc.cpp (AArch64), x_rvv.cpp (RISC-V). Everything else is the machine's
# baseline, so that one build runs on every board of its kind; kernels are chosen at run time.

# Debian's names; without CROSS given, TARGET chooses.
CROSS_arm64 := aarch64-linux-gnu-
CROSS_riscv64 := riscv64-linux-gnu-
CROSS ?= $(CROSS_$(TARGET))
ifeq ($(origin CXX),default)
CXX := $(CROSS)g++
endif
MACHINE := $(shell $(CXX) -dumpmachine 2>/dev/null)
ifeq ($(MACHINE),)
$(warning No C++ compiler: `$(CXX) -dumpmachine` failed. On Debian: apt-get install g++)
endif
IS_X86 := $(filter x86_64-%,$(MACHINE))
IS_ARM := $(filter aarch64-%,$(MACHINE))
IS_RISCV := $(filter riscv64-%,$(MACHINE))

ROOMS ?= base kernels codecs storage graph learn engine
# With ROOMS given by hand, the shared tests (which need the whole engine) stay out unless asked
# for.
TEST_SOURCES ?= $(if $(filter command,$(firstword $(origin ROOMS))),native/test/main.cpp,\
  $(wildcard native/test/*.cpp native/test/*/*.cpp))

FOREIGN := $(if $(IS_X86),,%_avx2.cpp %_avx512.cpp %_sse42.cpp) \
  $(if $(IS_ARM),,%_neon.cpp %_dotprod.cpp %_armcrc.cpp) $(if $(IS_RISCV),,%_rvv.cpp)
ROOM_SOURCES := $(filter-out $(FOREIGN),$(wildcard $(ROOMS:%=native/%/*.cpp)))
CORE_SOURCES := $(filter-out %_test.cpp,$(ROOM_SOURCES))
TEST_ALL := $(filter %_test.cpp,$(ROOM_SOURCES)) $(filter-out %/make_golden.cpp,$(TEST_SOURCES))
# These test files alone are compiled, where a whole variant would run few of them.
TESTS_ONLY ?=
TEST_ALL := $(if $(TESTS_ONLY),$(filter-out %_test.cpp,$(TEST_ALL)) $(TESTS_ONLY),$(TEST_ALL))
BINDING_SOURCES := $(wildcard native/binding/*.cpp)

OBJ := $(BUILD)/obj
CORE_OBJECTS := $(CORE_SOURCES:%.cpp=$(OBJ)/%.o)
TEST_OBJECTS := $(TEST_ALL:%.cpp=$(OBJ)/%.o)
BINDING_OBJECTS := $(BINDING_SOURCES:%.cpp=$(OBJ)/%.o)
ADDON := $(if $(BINDING_SOURCES),$(BUILD)/ruvector_edge.node)

# Hardening costs nothing measurable here. No -march: see the head of this file.
HARDEN := -fstack-protector-strong $(if $(IS_X86),-fcf-protection) \
  $(if $(IS_ARM),-mbranch-protection=standard)
# RVV intrinsics need g++ 14 or clang 16; Debian 12 has the latter beside its g++ 12, and only
# x_rvv.cpp go to it. RVV_CXX= (empty) leaves them empty, and the scalar table is all there is.
RVV_PROBE := \#include <riscv_vector.h>\n\
vint16m4_t f(vint16m4_t s, vint8m2_t a, vint8m2_t b, size_t n) {\n\
return __riscv_vwmacc_vv_i16m4_tu(s, a, b, n); }\n
ifneq ($(IS_RISCV),)
RVV_CXX ?= $(shell for cxx in "$(CXX)" $(foreach v,16 17 18 19 20 21,"clang++-$(v) \
  --target=$(MACHINE)") "clang++ --target=$(MACHINE)"; do \
  printf '$(RVV_PROBE)' | $$cxx -march=rv64gcv -x c++ -fsyntax-only - 2>/dev/null && \
  { echo "$$cxx"; break; }; done)
# Once, not at each use.
RVV_CXX := $(RVV_CXX)
else
RVV_CXX :=
endif

HARDEN_LINK := -Wl,-z,relro,-z,now -Wl,-z,noexecstack
# _FORTIFY_SOURCE hides from the sanitizers the very calls that they check.
ifeq ($(SANITIZE),address)
SANITIZER := -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all \
  -fno-omit-frame-pointer
else ifeq ($(SANITIZE),thread)
SANITIZER := -fsanitize=thread -fno-omit-frame-pointer
else ifneq ($(SANITIZE),)
$(error SANITIZE is address or thread, not '$(SANITIZE)')
else
SANITIZER :=
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
SANITIZER_ENV := ASAN_OPTIONS=detect_stack_use_after_return=1:$${ASAN_OPTIONS:-} \
  TSAN_OPTIONS=halt_on_error=1:$${TSAN_OPTIONS:-}
# ThreadSanitizer of g++ 12 refuses the address-space randomisation of newer kernels.
RUNNER ?= $(if $(filter thread,$(SANITIZE)),setarch -R)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
CXXFLAGS ?=
# Sanitizers see the same at -O1, and compile in half the time.
RVE_CXXFLAGS := -std=c++20 $(if $(SANITIZE),-O1,-O2) -g1 -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -pthread \
  $(WARN) $(HARDEN) $(SANITIZER) $(if $(MUTATIONS),-DRVE_MUTATIONS) \
  $(if $(RVV_CXX),-DRVE_HAS_RVV) -Inative -Inative/include
RVE_LDFLAGS := -pthread $(HARDEN_LINK) $(SANITIZER)
# RISC-V has atomics of 32 and 64 bits only; g++ 12 calls libatomic for a bool. Boards lack its
# shared library, so that the addon takes the few functions with it.
RVE_LIBS := $(if $(IS_RISCV),-l:libatomic.a -Wl$(COMMA)--exclude-libs$(COMMA)libatomic.a)
# In a worker thread that is being terminated no call into JavaScript works; without the last flag
# node-addon-api takes that for a bug and aborts the process.
NAPI_FLAGS := -isystem node_modules/node-api-headers/include -isystem node_modules/node-addon-api \
  -DNAPI_VERSION=8 -DNAPI_DISABLE_CPP_EXCEPTIONS -DNODE_ADDON_API_DISABLE_DEPRECATED \
  -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

# The flags of one file, by the end of its name.
FLAGS_avx2 := -mavx2 -mfma -mf16c
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vpopcntdq -mf16c
FLAGS_sse42 := -msse4.2
FLAGS_armcrc := -march=armv8-a+crc
FLAGS_dotprod := -march=armv8.2-a+dotprod
FLAGS_rvv := $(if $(RVV_CXX),-march=rv64gcv)
file_end = $(lastword $(subst _, ,$(basename $(notdir $(1)))))
file_flags = $(FLAGS_$(call file_end,$(1)))
file_cxx = $(or $(if $(filter rvv,$(call file_end,$(1))),$(RVV_CXX)),$(CXX))
file_note = $(if $(filter rvv,$(call file_end,$(1))),$(if $(RVV_CXX),, \
  (empty, kernels stay scalar: needs g++ 14 or clang 16; on Debian 12: apt-get install clang-16)))

# An inline function that a file with extra instructions defines could be the copy that the linker
# keeps for all. Sanitizers inline less; their builds stay on the machine that made them.
NM := $(shell $(CXX) -print-prog-name=nm)
check_shared = $(if $(SANITIZE),,$(if $(call file_flags,$(1)),@if $(NM) $(2) | grep ' W '; then \
  echo "$(1): shares the functions above with files for older CPUs" >&2; rm $(2); exit 1; fi))

# Rewritten only when the compiler or a flag changes, so that then, and only then, all is rebuilt.
FLAGS_NOW := $(CXX) $(RVV_CXX) $(MACHINE) $(RVE_CXXFLAGS) $(CXXFLAGS) $(RVE_LDFLAGS) $(LDFLAGS)
$(OBJ)/flags: force
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: force
force:

# A third of a compiler's time goes into the standard headers: they are precompiled, for all files
# that add no flags but -O1 of their own. Not in the build of AddressSanitizer, so that a missing
# #include fails `make verify`; that build also keeps the two warnings whose false alarms about sums of
# strings g++ 12 hushes in a system header, but not in a precompiled one. (clang has its own rules.)
IS_CLANG := $(shell $(CXX) --version 2>/dev/null | grep -m 1 clang)
PRECOMPILED := $(if $(filter address,$(SANITIZE))$(IS_CLANG),,$(OBJ)/precompiled.hpp)
COMMON_FLAGS := $(RVE_CXXFLAGS)
file_precompiled = $(if $(call file_flags,$(1))$(filter-out $(COMMON_FLAGS) -O1,$(RVE_CXXFLAGS)),, \
  $(PRECOMPILED:%=-include % -Wno-array-bounds -Wno-stringop-overflow))
$(OBJ)/precompiled.hpp.gch: native/precompiled.hpp $(OBJ)/flags native/build.mk
	@mkdir -p $(@D)
	@echo "  PCH   $<"
	@$(CXX) $(COMMON_FLAGS) $(CXXFLAGS) -x c++-header $< -o $@

$(OBJ)/%.o: %.cpp $(OBJ)/flags native/build.mk $(PRECOMPILED:%=%.gch)
	@mkdir -p $(@D)
	@echo "  CXX   $<$(call file_note,$<)"
	@$(call file_cxx,$<) $(RVE_CXXFLAGS) $(call file_flags,$<) $(CXXFLAGS) \
	  $(call file_precompiled,$<) -MMD -MP -c $< -o $@
	$(call check_shared,$<,$@)

# Codes on disk must not depend on the machine: where multiply and add could be one instruction,
# the compiler may not choose. And no square root or rounding becomes a call that sets errno.
$(OBJ)/native/codecs/%.o: RVE_CXXFLAGS += -ffp-contract=off -fno-math-errno
# Nor may it in what golden files are made with: the scalar kernels, and the vectors made up for
# them.
GOLDEN_EXACT := native/kernels/kernels_scalar native/kernels/trellis_scan_scalar \
  native/test/golden/golden_stores
$(GOLDEN_EXACT:%=$(OBJ)/%.o): RVE_CXXFLAGS += -ffp-contract=off

# What a test checks is compiled as it is released; the test itself need not be.
$(OBJ)/%_test.o: RVE_CXXFLAGS += -O1

$(BINDING_OBJECTS): RVE_CXXFLAGS += $(NAPI_FLAGS)
$(BINDING_OBJECTS): | $(NPM_STAMP)

# One archive-like set of objects serves the addon and the tests. A list of objects that shrinks
# must relink too: hence the list is a file.
$(OBJ)/core.list: force
	@mkdir -p $(@D)
	@echo '$(CORE_OBJECTS) $(TEST_OBJECTS)' | cmp -s - $@ || \
	  echo '$(CORE_OBJECTS) $(TEST_OBJECTS)' > $@

$(BUILD)/ruvector_edge.node: $(CORE_OBJECTS) $(BINDING_OBJECTS) $(OBJ)/core.list
	@echo "  LINK  $@"
	@$(CXX) -shared $(RVE_LDFLAGS) $(LDFLAGS) $(filter %.o,$^) $(RVE_LIBS) -o $@

$(BUILD)/native_test: $(CORE_OBJECTS) $(TEST_OBJECTS) $(OBJ)/core.list
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $(filter %.o,$^) -o $@

# qemu-user runs a board's build on this machine. Each CPU stands with the kernel table that it must
# choose; one without an extension dies of SIGILL, as hardware does, where the choice is wrong.
QEMU_CPUS_arm64 := cortex-a53=neon cortex-a76=dotprod max=dotprod
RVV_TABLE := $(if $(RVV_CXX),rvv,scalar)
QEMU_CPUS_riscv64 := rv64=scalar rv64,v=true,vlen=128=$(RVV_TABLE) \
  rv64,v=true,vlen=256=$(RVV_TABLE) rv64,v=true,vlen=512=$(RVV_TABLE)
QEMU_CPUS ?= $(QEMU_CPUS_$(TARGET))
QEMU_ARCH := $(firstword $(subst -, ,$(MACHINE)))
# QEMU 7.2 (Debian 12) keeps a record of each page of the 64 GiB that an open store reserves: a long
# run took 22 GB of RAM. Debian 13's keeps none; make qemu-user fetches it, pinned, for this build
# only.
QEMU_USER := build/qemu/usr/bin/qemu-$(QEMU_ARCH)

## test-qemu: all C++ tests under qemu-user on several CPUs; TARGET=arm64|riscv64, FILTER=text
.PHONY: test-qemu
test-qemu: $(BUILD)/native_test
	@$(if $(QEMU_CPUS),,echo "test-qemu: TARGET is arm64 or riscv64" >&2; exit 1;) \
	qemu=$(or $(wildcard $(QEMU_USER)),$$(command -v qemu-$(QEMU_ARCH)-static || \
	  command -v qemu-$(QEMU_ARCH))) || \
	  { echo "No qemu-$(QEMU_ARCH). On Debian: apt-get install qemu-user" >&2; exit 1; }; \
	status=0; for pair in $(QEMU_CPUS); do \
	  echo "  QEMU  $${pair%=*}"; \
	  RVE_KERNELS_EXPECTED=$${pair##*=} $$qemu -L /usr/$(MACHINE) -cpu $${pair%=*} \
	    $(BUILD)/native_test $(if $(FILTER),--filter $(FILTER)) \
	    $(if $(WITHOUT),--without $(WITHOUT)) || status=1; \
	done; exit $$status

-include $(CORE_OBJECTS:.o=.d) $(TEST_OBJECTS:.o=.d) $(BINDING_OBJECTS:.o=.d)
