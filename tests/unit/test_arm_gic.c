/* SPDX-License-Identifier: BSD-2-Clause */
/* Which interrupt controller a host's KVM gives: ioctl() is played by the test. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../arm/gic.h"
#include "test.h"
#include "vmm/arch.h"

#define KVM 1000
#define VM  1001

/* What the host has, and what was asked of it. */
static struct {
	bool v2, v3, its, pmu;
	int address_bits, vm_fd;
	unsigned long type;
} host;

static int create_vm(unsigned long type)
{
	host.type = type;
	if (host.address_bits && (type & 0xff) > (unsigned)host.address_bits) {
		errno = EINVAL;
		return -1;
	}
	host.vm_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return host.vm_fd;
}

static int has_device(const struct kvm_create_device *device)
{
	assert_int_equal(device->flags, KVM_CREATE_DEVICE_TEST);
	switch (device->type) {
	case KVM_DEV_TYPE_ARM_VGIC_V2:
		return host.v2 ? 0 : -1;
	case KVM_DEV_TYPE_ARM_VGIC_V3:
		return host.v3 ? 0 : -1;
	default:
		return host.its ? 0 : -1;
	}
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
		if ((unsigned long)arg == KVM_CAP_ARM_VM_IPA_SIZE)
			return host.address_bits;
		return (unsigned long)arg == KVM_CAP_ARM_PMU_V3 && host.pmu;
	case KVM_CREATE_VM:
		assert_int_equal(fd, KVM);
		return create_vm((unsigned long)arg);
	case KVM_CREATE_DEVICE:
		return has_device(arg);
	default:
		return 0;
	}
}

static struct arch_options options;
static struct error err;

static int set_up(void **state)
{
	memset(&host, 0, sizeof(host));
	memset(&options, 0, sizeof(options));
	host.vm_fd = -1;
	host.v3 = host.its = true;
	host.address_bits = 48;
	err.text[0] = '\0';
	return 0;
}

static void chosen_is(unsigned cpus, enum gic_kind expected)
{
	enum gic_kind kind = GIC_BEST;

	assert_int_equal(gic_choose(&kind, VM, &options, cpus, &err), 0);
	assert_int_equal(kind, expected);
}

TEST_WITH(without_a_wish_the_best_is_chosen, set_up, NULL)
{
	chosen_is(64, GIC_V3_ITS);
	host.its = false;
	chosen_is(64, GIC_V3);
	host.v3 = false;
	host.v2 = true;
	chosen_is(8, GIC_V2M);
}

TEST_WITH(what_was_asked_for_is_chosen, set_up, NULL)
{
	options.irqchip = GIC_V3;
	chosen_is(4, GIC_V3);
}

TEST_WITH(more_cpus_than_a_gicv2_has_are_refused, set_up, NULL)
{
	enum gic_kind kind;

	host.v2 = true;
	options.irqchip = GIC_V2;
	assert_int_equal(gic_choose(&kind, VM, &options, 9, &err), -ENODEV);
	assert_string_equal(err.text, "9 CPUs: a gicv2 interrupt controller has at most 8");
}

static void check_is(int expected, const char *text)
{
	assert_int_equal(arch_check_host(KVM, &options, 1, &err), expected);
	assert_string_equal(err.text, text);
}

static void vm_is_gone(void)
{
	assert_true(host.vm_fd >= 0);
	assert_int_equal(fcntl(host.vm_fd, F_GETFD), -1);
}

TEST_WITH(a_controller_that_the_host_lacks_is_said_without_a_machine, set_up, NULL)
{
	options.irqchip = GIC_V2;
	check_is(-ENODEV, "--irqchip gicv2: this host's KVM has none; use --irqchip gicv3-its");
	vm_is_gone();
}

TEST_WITH(a_feature_that_the_host_lacks_is_said_without_a_machine, set_up, NULL)
{
	options.pmu = true;
	assert_int_equal(arch_check_host(KVM, &options, 1, &err), -ENODEV);
	assert_non_null(strstr(err.text, "--pmu: this host's KVM has it not"));
	vm_is_gone();
}

TEST_WITH(a_host_that_has_all_is_not_refused, set_up, NULL)
{
	host.v2 = host.pmu = options.pmu = true;
	options.irqchip = GIC_V2;
	check_is(0, "");
	vm_is_gone();
}

TEST_WITH(a_host_of_few_address_bits_is_asked_as_well, set_up, NULL)
{
	host.address_bits = 36;
	options.irqchip = GIC_V2;
	check_is(-ENODEV, "--irqchip gicv2: this host's KVM has none; use --irqchip gicv3-its");
	assert_int_equal(host.type, 36);
}
