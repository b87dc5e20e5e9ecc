# Measuring programs over native rooms; not part of any test.
#   make -f Makefile -f bench/native/build.mk build/host/tier_recall build/host/tier_nav \
#     build/host/graph_walk

TIER_ROOMS := $(filter native/base/% native/kernels/% native/codecs/%,$(CORE_SOURCES))
TIER_BENCHES := $(BUILD)/tier_recall $(BUILD)/tier_nav
$(TIER_BENCHES): $(BUILD)/%: $(OBJ)/bench/native/%.o $(TIER_ROOMS:%.cpp=$(OBJ)/%.o)
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $^ -o $@

GRAPH_ROOMS := $(filter native/base/% native/kernels/% native/codecs/% native/graph/%,\
  $(CORE_SOURCES))
$(BUILD)/graph_walk: $(OBJ)/bench/native/graph_walk.o $(GRAPH_ROOMS:%.cpp=$(OBJ)/%.o)
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $^ -o $@

-include $(TIER_BENCHES:$(BUILD)/%=$(OBJ)/bench/native/%.d) $(OBJ)/bench/native/graph_walk.d
