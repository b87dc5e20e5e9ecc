# Golden files (native/FORMAT.md 16). make_golden has a main() of its own: build.mk keeps it out of
# native_test.

GOLDEN_SOURCES := $(addprefix native/test/golden/,make_golden.cpp golden_stores.cpp sparse.cpp) \
  native/test/sim/sim_disk.cpp
GOLDEN_OBJECTS := $(GOLDEN_SOURCES:%.cpp=$(OBJ)/%.o)

$(BUILD)/make_golden: $(CORE_OBJECTS) $(GOLDEN_OBJECTS)
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $(filter %.o,$^) -o $@

## golden: make the golden stores that are missing; only for a new format
.PHONY: golden
golden: $(BUILD)/make_golden $(JS)/.stamp
	@$(BUILD)/make_golden native/test/golden
	@$(NODE) $(JS)/tools/dump/main.js --golden native/test/golden

## dump: a store as JSON, read by tools/dump and checked byte by byte; STORE=robot.rve
.PHONY: dump
dump: $(JS)/.stamp
	@$(NODE) $(JS)/tools/dump/main.js $(STORE)

-include $(GOLDEN_OBJECTS:.o=.d)
