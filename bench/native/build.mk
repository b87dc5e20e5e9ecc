# Measuring programs over native rooms; not part of any test.
#   make -f Makefile -f bench/native/build.mk build/host/tier_recall build/host/graph_walk

TIER_ROOMS := $(filter native/base/% native/kernels/% native/codecs/%,$(CORE_SOURCES))
$(BUILD)/tier_recall: $(OBJ)/bench/native/tier_recall.o $(TIER_ROOMS:%.cpp=$(OBJ)/%.o)
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $^ -o $@

GRAPH_ROOMS := $(filter native/base/% native/kernels/% native/codecs/% native/graph/%,\
  $(CORE_SOURCES))
$(BUILD)/graph_walk: $(OBJ)/bench/native/graph_walk.o $(GRAPH_ROOMS:%.cpp=$(OBJ)/%.o)
	@echo "  LINK  $@"
	@$(CXX) $(RVE_LDFLAGS) $(LDFLAGS) $^ -o $@

-include $(OBJ)/bench/native/tier_recall.d $(OBJ)/bench/native/graph_walk.d
