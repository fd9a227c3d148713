# An lkvm with one device more: tests/toy/toy.c and its row.
TOY        := $(BUILD)/test/lkvm-toy
TOY_OBJECT := $(BUILD)/obj/tests/toy/toy.o
$(TOY): $(filter-out %/cmd/device_table.o,$(OBJECTS)) $(TOY_OBJECT) $(BUILD)/obj/tests/toy/device_table.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
$(BUILD)/obj/tests/toy/%.o: CPPFLAGS += -I.
-include $(wildcard $(BUILD)/obj/tests/toy/*.d)
