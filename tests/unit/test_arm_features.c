/* SPDX-License-Identifier: BSD-2-Clause */
/* What KVM is asked for, in which order: ioctl() is played by the test. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../arm/features.h"
#include "test.h"

#define VM   1000
#define VCPU 1001

/* A host: what it has, and what was done to it. */
static struct {
	int capabilities[16];
	unsigned count;
	bool chooses_pmu, has_stolen_time;
	u64 lengths[8];
	char log[400];
} host;

static void note(const char *text, unsigned long long number)
{
	size_t len = strlen(host.log);

	snprintf(host.log + len, sizeof(host.log) - len, "%s%s %llu", len ? ", " : "", text,
		 number);
}

static int check(unsigned long capability)
{
	for (unsigned i = 0; i < host.count; i++) {
		if ((unsigned long)host.capabilities[i] == capability)
			return 1;
	}
	return 0;
}

static int set_attribute(const struct kvm_device_attr *attr)
{
	unsigned long long value = 0;

	if (attr->group == 2)
		value = *(const u64 *)(uintptr_t)attr->addr;
	else if (attr->addr)
		value = *(const int *)(uintptr_t)attr->addr;
	note(attr->group == 2  ? "stolen"
	     : attr->attr == 0 ? "pmu-irq"
	     : attr->attr == 1 ? "pmu-init"
			       : "pmu-type",
	     value);
	return 0;
}

static int one_reg(const struct kvm_one_reg *reg, bool set)
{
	void *lengths = (void *)(uintptr_t)reg->addr;

	assert_true(reg->id == 0x606000000015ffffULL);
	if (set)
		memcpy(host.lengths, lengths, sizeof(host.lengths));
	else
		memcpy(lengths, host.lengths, sizeof(host.lengths));
	note(set ? "set-lengths" : "get-lengths", host.lengths[0]);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *arg;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	switch (request) {
	case KVM_CHECK_EXTENSION:
		assert_int_equal(fd, VM);
		return check((unsigned long)arg);
	case KVM_ENABLE_CAP:
		note("enable", ((struct kvm_enable_cap *)arg)->cap);
		return 0;
	case KVM_ARM_VCPU_FINALIZE:
		note("finalize", *(int *)arg);
		return 0;
	case KVM_GET_ONE_REG:
	case KVM_SET_ONE_REG:
		return one_reg(arg, request == KVM_SET_ONE_REG);
	case KVM_SET_DEVICE_ATTR:
		return set_attribute(arg);
	case KVM_HAS_DEVICE_ATTR:
		if (((struct kvm_device_attr *)arg)->group == 2)
			return host.has_stolen_time ? 0 : -1;
		return host.chooses_pmu ? 0 : -1;
	default:
		note("counter-offset", *(u64 *)arg);
		return 0;
	}
}

static struct features features;
static struct arch_options options;
static struct error err;

static int set_up(void **state)
{
	memset(&host, 0, sizeof(host));
	memset(&options, 0, sizeof(options));
	err.text[0] = '\0';
	return 0;
}

static void host_has(int capability)
{
	host.capabilities[host.count++] = capability;
}

static int choose(void)
{
	return features_choose(&features, VM, &options, false, &err);
}

TEST_WITH(a_host_that_has_nothing_gives_nothing, set_up, NULL)
{
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 0);
	assert_int_equal(features_begin_vcpu(&features, VCPU), 0);
	assert_int_equal(features_finish_vcpu(&features, VCPU), 0);
	assert_string_equal(host.log, "");
}

TEST_WITH(what_the_host_has_goes_to_the_guest, set_up, NULL)
{
	host_has(KVM_CAP_ARM_SVE);
	host_has(KVM_CAP_ARM_PTRAUTH_ADDRESS);
	host_has(KVM_CAP_ARM_PTRAUTH_GENERIC);
	host_has(KVM_CAP_ARM_MTE);
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 1 << 4 | 1 << 5 | 1 << 6);
	assert_int_equal(features_begin_vcpu(&features, VCPU), 0);
	assert_string_equal(host.log, "enable 205, finalize 4");
}

TEST_WITH(half_of_pointer_authentication_is_none, set_up, NULL)
{
	host_has(KVM_CAP_ARM_PTRAUTH_ADDRESS);
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 0);
}

TEST_WITH(what_the_user_objects_to_is_left_out, set_up, NULL)
{
	host_has(KVM_CAP_ARM_SVE);
	host_has(KVM_CAP_ARM_MTE);
	options.no_sve = options.no_mte = true;
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 0);
	assert_string_equal(host.log, "");
}

TEST_WITH(memory_that_can_have_no_tags_has_none, set_up, NULL)
{
	host_has(KVM_CAP_ARM_MTE);
	assert_int_equal(features_choose(&features, VM, &options, true, &err), 0);
	assert_string_equal(host.log, "");
}

TEST_WITH(what_was_asked_for_and_is_not_there_is_refused, set_up, NULL)
{
	static const struct {
		size_t field;
		const char *text;
	} asked[] = {
		{ offsetof(struct arch_options, pmu), "--pmu: this host's KVM has it not" },
		{ offsetof(struct arch_options, nested), "--nested: this host's KVM has it not" },
		{ offsetof(struct arch_options, sve_bits), "--sve-max-vl: this host's" },
		{ offsetof(struct arch_options, counter_offset), "--counter-offset: this host's" },
		{ offsetof(struct arch_options, e2h0), "--e2h0 is for guests that have --nested" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		set_up(NULL);
		*((char *)&options + asked[i].field) = 1;
		assert_int_equal(choose(), -ENODEV);
		assert_non_null(strstr(err.text, asked[i].text));
	}
}

TEST_WITH(a_nested_guest_has_el2, set_up, NULL)
{
	host_has(240);
	host_has(241);
	options.nested = true;
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 1 << 7);
	options.e2h0 = true;
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 1 << 7 | 1 << 8);
}

TEST_WITH(vectors_are_no_longer_than_asked_for, set_up, NULL)
{
	host_has(KVM_CAP_ARM_SVE);
	host.lengths[0] = 0xb; /* 128, 256 and 512 bits */
	options.sve_bits = 256;
	assert_int_equal(choose(), 0);
	assert_int_equal(features_begin_vcpu(&features, VCPU), 0);
	assert_string_equal(host.log, "get-lengths 11, set-lengths 3, finalize 4");
	options.no_sve = true;
	assert_int_equal(choose(), -ENODEV);
}

TEST_WITH(counters_are_set_up_with_the_hosts_type, set_up, NULL)
{
	host_has(KVM_CAP_ARM_PMU_V3);
	host.chooses_pmu = true;
	options.pmu = true;
	assert_int_equal(choose(), 0);
	assert_int_equal(features.init, 1 << 3);
	features.pmu_type = 9;
	assert_int_equal(features_finish_vcpu(&features, VCPU), 0);
	assert_string_equal(host.log, "pmu-type 9, pmu-irq 23, pmu-init 0");
}

TEST_WITH(a_host_that_has_no_choice_of_counters_is_not_asked, set_up, NULL)
{
	host_has(KVM_CAP_ARM_PMU_V3);
	options.pmu = true;
	assert_int_equal(choose(), 0);
	features.pmu_type = 9;
	assert_int_equal(features_finish_vcpu(&features, VCPU), 0);
	assert_string_equal(host.log, "pmu-irq 23, pmu-init 0");
}

TEST_WITH(the_counter_is_set_back_and_time_is_stolen, set_up, NULL)
{
	host_has(227);
	options.counter_offset = 1000;
	assert_int_equal(choose(), 0);
	assert_int_equal(features_set_stolen_time(VCPU, 0xa800040), 0);
	assert_string_equal(host.log, "counter-offset 1000, stolen 176160832");
	assert_false(features_has_stolen_time(VCPU));
	host.has_stolen_time = true;
	assert_true(features_has_stolen_time(VCPU));
}

/* ---- /sys/bus/event_source/devices ---- */

static char root[] = "/tmp/test_arm_features.XXXXXX";

static void write_file(const char *device, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, device);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", root, device, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_root(void **state)
{
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	return mkdtemp(root) ? set_up(state) : -1;
}

static int remove_root(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static int find(const char *cpu_list, s64 *type)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (; cpu_list && *cpu_list; cpu_list++)
		CPU_SET(*cpu_list - '0', &cpus);
	return features_find_pmu(root, cpu_list ? &cpus : NULL, type, &err);
}

TEST_WITH(one_kind_of_counters_is_everybodys, make_root, remove_root)
{
	s64 type;

	write_file("armv8_pmuv3_0", "cpus", "0-3\n");
	write_file("armv8_pmuv3_0", "type", "8\n");
	write_file("arm_cmn_0", "cpumask", "0\n");
	write_file("arm_cmn_0", "type", "9\n");
	assert_int_equal(find(NULL, &type), 0);
	assert_int_equal(type, 8);
	assert_int_equal(find("12", &type), 0);
	assert_int_equal(type, 8);
}

TEST_WITH(big_and_little_counters_are_chosen_by_affinity, make_root, remove_root)
{
	s64 type;

	write_file("armv8_cortex_a53", "cpus", "0-3");
	write_file("armv8_cortex_a53", "type", "8");
	write_file("armv8_cortex_a73", "cpus", "4,5-7");
	write_file("armv8_cortex_a73", "type", "9");
	assert_int_equal(find("567", &type), 0);
	assert_int_equal(type, 9);
	assert_int_equal(find("34", &type), -ENODEV);
	assert_non_null(strstr(err.text, "--vcpu-affinity"));
	assert_int_equal(find(NULL, &type), -ENODEV);
}

TEST_WITH(a_host_that_does_not_say_leaves_it_to_KVM, make_root, remove_root)
{
	s64 type;

	assert_int_equal(find(NULL, &type), 0);
	assert_int_equal(type, -1);
	assert_int_equal(features_find_pmu("/nowhere", NULL, &type, &err), 0);
}
