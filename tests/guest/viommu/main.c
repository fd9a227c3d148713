/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A conformance test for any virtio-iommu (virtio 1.4, "IOMMU Device"): finds one, and
 * endpoints behind it whose DMA it can aim, and says of each rule whether it holds.
 * "timing" on the command line: measures MAP and UNMAP instead; "full": maps until there is no
 * more room, and recovers; "rule-39": leaves that one out; "packed": on packed rings, in order.
 */
#include "conformance.h"

#define FIRST_DOMAIN	1
#define PACKED_IN_ORDER (FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER))

struct totals {
	unsigned passed, failed, skipped;
};

/* ---- verdicts ---- */

void expect(struct conformance *t, bool true_so, const char *otherwise)
{
	if (true_so || t->failed)
		return;
	t->failed = otherwise;
	t->has_status = false;
}

void expect_status(struct conformance *t, int got, int wanted, const char *of)
{
	if (got == wanted || t->failed)
		return;
	t->failed = of;
	t->has_status = true;
	t->got = got;
	t->wanted = wanted;
}

void skip(struct conformance *t, const char *why)
{
	t->skipped = why;
}

bool offered(struct conformance *t, u64 features, const char *otherwise)
{
	if ((t->features & features) == features)
		return true;
	skip(t, otherwise);
	return false;
}

bool drivable(struct conformance *t, unsigned count)
{
	if (t->endpoint_count >= count)
		return true;
	skip(t, count > 1 ? "it takes a second endpoint that can be driven"
			  : "there is no endpoint that can be driven");
	return false;
}

static const char *status_name(int status)
{
	static const char *const names[] = {
		"OK", "IOERR", "UNSUPP", "DEVERR", "INVAL", "RANGE", "NOENT", "FAULT", "NOMEM",
	};
	static const char *const others[] = {
		"unwritten",
		"DEVICE_NEEDS_RESET",
		"no answer",
		"an answer of odd length",
	};

	if (status >= 0)
		return status < (int)COUNT(names) ? names[status] : "an unknown status";
	return others[-status - 1];
}

void put_why(const struct conformance *t)
{
	put(": ");
	put(t->failed ? t->failed : t->skipped);
	if (!t->failed || !t->has_status)
		return;
	put(": ");
	put(status_name(t->got));
	put(", not ");
	put(status_name(t->wanted));
}

static bool has_word(const char *line, const char *word, u64 size)
{
	for (; *line; line++) {
		if (!memcmp(line, word, size))
			return line[size] <= ' ';
	}
	return false;
}

/* Whether the command line has "<kind>-<number>". */
static bool left_out(const struct conformance *t, const char *kind)
{
	char word[16];
	unsigned size = 0;

	while (*kind)
		word[size++] = *kind++;
	word[size++] = '-';
	if (t->number >= 10)
		word[size++] = '0' + t->number / 10;
	word[size++] = '0' + t->number % 10;
	return has_word(t->command_line, word, size);
}

/* The number goes out before the check: should the VMM not survive it, that is its verdict. */
static void run_one(struct conformance *t, const char *kind, const struct rule *rule,
		    struct totals *totals)
{
	put(kind);
	put(" ");
	put_decimal(t->number);
	t->failed = t->skipped = NULL;
	if (left_out(t, kind))
		skip(t, "left out");
	else
		rule->check(t);
	put(t->failed ? " FAIL (" : t->skipped ? " skip (" : " pass (");
	put(rule->what);
	put(")");
	if (t->failed || t->skipped)
		put_why(t);
	put("\n");
	totals->failed += t->failed != NULL;
	totals->skipped += !t->failed && t->skipped;
	totals->passed += !t->failed && !t->skipped;
}

static void run_all(struct conformance *t, const char *kind, const struct rule *rules,
		    unsigned count, struct totals *totals)
{
	for (unsigned i = 0; i < count; i++) {
		t->number++;
		run_one(t, kind, &rules[i], totals);
	}
}

static void put_totals(const char *kind, const struct totals *totals)
{
	put_decimal(totals->passed + totals->failed + totals->skipped);
	put(" ");
	put(kind);
	put(": ");
	put_decimal(totals->passed);
	put(" pass, ");
	put_decimal(totals->failed);
	put(" FAIL, ");
	put_decimal(totals->skipped);
	put(" skip\n");
}

static void run_rules(struct conformance *t)
{
	struct totals rules = { 0 }, others = { 0 };

	t->number = 0;
	run_all(t, "rule", device_rules, device_rule_count, &rules);
	run_all(t, "rule", attach_rules, attach_rule_count, &rules);
	run_all(t, "rule", map_rules, map_rule_count, &rules);
	run_all(t, "rule", probe_rules, probe_rule_count, &rules);
	run_all(t, "rule", fault_rules, fault_rule_count, &rules);
	t->number = 0;
	run_all(t, "example", unmap_examples, unmap_example_count, &others);
	t->number = 0;
	run_all(t, "prose", prose_rules, prose_rule_count, &others);
	virtio_reset(t->iommu);
	put_totals("rules", &rules);
	put_totals("examples and prose", &others);
	put(rules.failed + others.failed ? "conformance: FAIL\n" : "conformance: pass\n");
}

/* ---- finding things ---- */

static void put_devices(const struct conformance *t)
{
	put("IOMMU: ");
	put(t->iommu->transport);
	put(", features ");
	put_hex(t->features);
	put(", probe_size ");
	put_decimal(t->probe_size);
	if (t->packed)
		put(", packed rings, in order");
	put("\n");
	for (unsigned i = 0; i < t->endpoint_count; i++) {
		put(t->endpoints[i]->type == VIRTIO_ID_RNG ? "virtio-rng" : "virtio-blk");
		put(" is endpoint ");
		put_hex(t->endpoints[i]->endpoint);
		put("\n");
	}
}

/* A random number generator first: what it writes is never what was there. */
static void choose_endpoints(struct conformance *t, struct virtio *devices, unsigned count)
{
	static const u32 types[MAX_ENDPOINTS] = { VIRTIO_ID_RNG, VIRTIO_ID_BLOCK };

	for (unsigned k = 0; k < COUNT(types); k++) {
		for (unsigned i = 0; i < count && t->endpoint_count < MAX_ENDPOINTS; i++) {
			if (devices[i].type == types[k] && dma_can_drive(&devices[i]))
				t->endpoints[t->endpoint_count++] = &devices[i];
		}
	}
}

/* What is wrong with what there is; NULL: nothing. */
static const char *set_up(struct conformance *t, const struct machine *machine,
			  struct virtio *devices, struct memory *memory)
{
	const unsigned count = find_devices(machine, devices, MAX_DEVICES);
	u64 config;

	for (unsigned i = 0; i < count; i++) {
		if (devices[i].type == VIRTIO_ID_IOMMU)
			t->iommu = &devices[i];
	}
	if (!t->iommu)
		return "there is no virtio-iommu";
	choose_endpoints(t, devices, count);
	config = t->iommu->config;
	t->memory = memory;
	t->features = virtio_features(t->iommu);
	t->granule = read32(config) | (u64)read32(config + 4) << 32;
	t->granule &= -t->granule;
	t->domain = t->features & HAS(DOMAIN_RANGE) ? read32(config + 24) : 0;
	t->domain += FIRST_DOMAIN;
	t->probe_size = t->features & HAS(PROBE) ? read32(config + 32) : 0;
	t->first_bypass = t->features & HAS(BYPASS_CONFIG) ? read_bypass(t) : 0;
	if (has_word(t->command_line, "packed", 6)) {
		t->packed = (t->features & PACKED_IN_ORDER) == PACKED_IN_ORDER;
		if (!t->packed)
			return "it offers no packed rings, or not in order";
		use_rings(PACKED_IN_ORDER);
	}
	if (!t->endpoint_count)
		return "there is no endpoint that can be driven";
	if (t->granule > LARGEST_GRANULE || t->probe_size > MAX_PROPERTIES)
		return "its granule or its probe_size is larger than this guest's memory";
	return NULL;
}

void guest_main(const void *boot)
{
	static struct memory memory __attribute__((aligned(LARGEST_GRANULE)));
	static struct virtio devices[MAX_DEVICES];
	struct conformance t = { 0 };
	struct machine machine;
	const char *wrong;

	machine_begin(&machine, boot);
	t.command_line = machine.command_line;
	wrong = set_up(&t, &machine, devices, &memory);
	if (wrong) {
		put("conformance: FAIL: ");
		put(wrong);
		put("\n");
	} else if (has_word(t.command_line, "timing", 6)) {
		run_timing(&t);
	} else if (has_word(t.command_line, "full", 4)) {
		put_devices(&t);
		run_full(&t);
	} else {
		put_devices(&t);
		run_rules(&t);
	}
	machine_end();
}
