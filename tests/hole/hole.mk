# An lkvm with a hole: tests/hole/hole.c and its row. Never what is installed.
HOLE        := $(BUILD)/test/lkvm-hole
HOLE_OBJECT := $(BUILD)/obj/tests/hole/hole.o
$(HOLE): $(filter-out %/cmd/device_table.o,$(OBJECTS)) $(HOLE_OBJECT) $(BUILD)/obj/tests/hole/device_table.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
$(BUILD)/obj/tests/hole/%.o: CPPFLAGS += -I.
-include $(wildcard $(BUILD)/obj/tests/hole/*.d)
