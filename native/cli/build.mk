# rve-core: the engine behind its C door as one static executable. Nothing is needed beside it.

CLI_OBJECTS := $(patsubst %.cpp,$(OBJ)/%.o,$(filter-out %_test.cpp,$(wildcard native/cli/*.cpp)))
# Position independent where the C library has the start files for it: Debian 12's for riscv64 has
# not.
STATIC_LINK := $(if $(IS_RISCV),-static,-static-pie) -s -Wl,--gc-sections
# The sanitizers' runtimes are shared libraries.
CLI_LINK := $(if $(SANITIZE),,$(STATIC_LINK))

## rve-core: the static native tool build/TARGET/rve-core; TARGET=arm64|riscv64
.PHONY: rve-core
rve-core: $(BUILD)/rve-core

$(BUILD)/rve-core: $(CLI_OBJECTS) $(CORE_OBJECTS) $(OBJ)/core.list
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(CLI_LINK) $(LDFLAGS) $(filter %.o,$^) -o $@

-include $(CLI_OBJECTS:.o=.d)
