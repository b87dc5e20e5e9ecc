# The engine as a static library, and a C11 program over it (native/include/rve/rve.h).

ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
C_STRICT := -std=c11 -O2 -Wall -Wextra -Wconversion -Werror

$(BUILD)/librve.a: $(CORE_OBJECTS) $(OBJ)/core.list
	@echo "  AR    $@"
	@rm -f $@
	@$(CROSS)ar rcs $@ $(filter %.o,$^)

$(BUILD)/example_c: examples/c/robot.c native/include/rve/rve.h $(BUILD)/librve.a
	@echo "  CC    $<"
	@$(CC) $(C_STRICT) $(SANITIZER) -Inative/include -c $< -o $@.o
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $@.o $(BUILD)/librve.a -o $@

# Twice: the second run goes on with the first one's file.
## test-example-c: build and run the C example
.PHONY: test-example-c
test-example-c: $(BUILD)/example_c
	@rm -rf $(BUILD)/example_c.rve
	@$(SANITIZER_ENV) $(RUNNER) $(BUILD)/example_c $(BUILD)/example_c.rve
	@$(SANITIZER_ENV) $(RUNNER) $(BUILD)/example_c $(BUILD)/example_c.rve
	@rm -rf $(BUILD)/example_c.rve
