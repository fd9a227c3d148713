# make check-kill            lkvm is killed 50 times in the middle of a minute of a guest's writes (KILLS=n SECONDS=n)
JUDGE := $(TEST)/kill/judge
$(JUDGE): tests/kill/judge.c tests/kill/play.h Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 $(WARNINGS) -o $@ $<
.PHONY: check-kill
check-kill: $(BUILD)/lkvm $(TEST)/guest/disk_play $(JUDGE)
	@LKVM=$(BUILD)/lkvm GUESTS=$(TEST)/guest JUDGE=$(JUDGE) tests/kill/run $(or $(KILLS),50) $(or $(SECONDS),60)
