/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * driver_override names the one driver that may have a device; then its driver is unbound, and the
 * bus looks for a driver again (Linux, Documentation/ABI/testing/sysfs-bus-pci and
 * sysfs-bus-pci-drivers-...). These writes may succeed although the driver does not take the
 * device, so we read its driver at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bind_state.h"
#include "binding.h"
#include "check.h"
#include "host_sysfs.h"
#include "problem.h"

/* ---- one device ---- */

static void read_driver(const struct vfio_paths *paths, const char *name, char driver[64])
{
	vfio_sysfs_link(driver, 64, "%s/bus/pci/devices/%s/driver", paths->sys, name);
}

static int write_device(const struct vfio_paths *paths, const char *name, const char *attribute,
			const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", paths->sys, name, attribute);
	return vfio_sysfs_write(path, text);
}

static int probe(const struct vfio_paths *paths, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers_probe", paths->sys);
	return vfio_sysfs_write(path, name);
}

/* The former override; the kernel says "(null)" if there is none. */
static void read_override(const struct vfio_paths *paths, const char *name, char override[64])
{
	vfio_sysfs_read(override, 64, "%s/bus/pci/devices/%s/driver_override", paths->sys, name);
	if (!strcmp(override, "(null)"))
		override[0] = '\0';
}

static int take(const struct vfio_paths *paths, const struct vfio_record *record, struct error *err)
{
	char name[VFIO_ADDRESS_TEXT], driver[64];
	int ret;

	vfio_address_format(&record->address, name);
	ret = write_device(paths, name, "driver_override", "vfio-pci");
	if (ret)
		return error_set(err, ret, "%s: driver_override: %s", name, strerror(-ret));
	read_driver(paths, name, driver);
	if (driver[0]) {
		ret = write_device(paths, name, "driver/unbind", name);
		if (ret)
			return error_set(err, ret, "%s: %s does not let it go: %s", name, driver,
					 strerror(-ret));
	}
	ret = probe(paths, name);
	read_driver(paths, name, driver);
	if (!strcmp(driver, "vfio-pci"))
		return 0;
	return error_set(err, -EIO, "%s: vfio-pci does not take it%s%s: dmesg may say why", name,
			 ret ? ": " : "", ret ? strerror(-ret) : "");
}

/* Bind it to its former driver: by name, or, if that fails, by a probe of the bus. */
static int rebind(const struct vfio_paths *paths, const char *name, const char *driver,
		  struct error *err)
{
	char path[PATH_MAX], now[64];
	int ret;

	if (!vfio_sysfs_exists("%s/bus/pci/drivers/%s", paths->sys, driver))
		return error_set(err, -ENODEV,
				 "%s: its driver %s is not there: modprobe %s, then 'lkvm vfio "
				 "release' again",
				 name, driver, driver);
	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s/bind", paths->sys, driver);
	ret = vfio_sysfs_write(path, name);
	read_driver(paths, name, now);
	if (!now[0]) {
		probe(paths, name);
		read_driver(paths, name, now);
	}
	if (!strcmp(now, driver))
		return 0;
	return error_set(err, -EIO,
			 "%s: %s does not take it back%s%s: dmesg may say why; 'lkvm vfio release' "
			 "tries again",
			 name, driver, ret ? ": " : "", ret ? strerror(-ret) : "");
}

/*
 * Restore the device's former state, however far take() came. The record is removed when that has
 * succeeded.
 */
static int give_back(const struct vfio_paths *paths, const struct vfio_record *record,
		     struct error *err)
{
	char name[VFIO_ADDRESS_TEXT], now[64], override[64];
	int ret = 0;

	vfio_address_format(&record->address, name);
	if (!vfio_sysfs_exists("%s/bus/pci/devices/%s", paths->sys, name))
		goto forget; /* it has been unplugged */
	read_override(paths, name, override);
	if (strcmp(override, record->override))
		/* A line feed alone takes the override away. */
		ret = write_device(paths, name, "driver_override",
				   record->override[0] ? record->override : "\n");
	if (ret)
		return error_set(err, ret, "%s: driver_override: %s", name, strerror(-ret));
	read_driver(paths, name, now);
	if (!strcmp(now, "vfio-pci")) {
		ret = write_device(paths, name, "driver/unbind", name);
		if (ret)
			return error_set(err, ret, "%s: vfio-pci does not let it go: %s", name,
					 strerror(-ret));
		now[0] = '\0';
	}
	/* If it has another driver by now, a person has bound it there: leave it. */
	if (!now[0] && record->driver[0])
		ret = rebind(paths, name, record->driver, err);
forget:
	if (!ret)
		vfio_record_forget(paths, &record->address);
	return ret;
}

/* ---- bind ---- */

/* What vfio_bind() does, in the order of the group's members. */
struct plan {
	const struct vfio_paths *paths;
	struct vfio_address address; /* the one that is asked for */
	unsigned count;
	struct vfio_record records[VFIO_MAX_MEMBERS];
};

static int check_may_write(const struct vfio_paths *paths, const char *name, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver_override", paths->sys, name);
	if (!faccessat(AT_FDCWD, path, W_OK, AT_EACCESS))
		return 0;
	if (errno == EACCES || errno == EPERM)
		return error_set(
			err, -EPERM,
			"%s: only root may give a device to another driver: sudo lkvm vfio "
			"bind %s",
			name, name);
	return error_set(err, -errno, "%s: %s", path, strerror(errno));
}

/* What is wrong with it, or with the host, before anything is touched. */
static int check_device(const struct vfio_paths *paths, const struct vfio_host_device *device,
			struct error *err)
{
	char name[VFIO_ADDRESS_TEXT];

	vfio_address_format(&device->address, name);
	if (device->is_bridge || device->class >> 8 == 0x0600)
		return error_set(err, -EINVAL,
				 "%s is a bridge, which belongs to the host: pass a "
				 "device behind it",
				 name);
	if (!vfio_check_is_translated(paths, device))
		return error_set(err, -ENODEV,
				 "%s: no IOMMU translates it: 'lkvm vfio check %s' "
				 "says how to have one",
				 name, name);
	if (!vfio_sysfs_exists("%s/bus/pci/drivers/vfio-pci", paths->sys))
		return error_set(err, -ENODEV, "%s: the kernel has no vfio-pci: modprobe vfio-pci",
				 name);
	return check_may_write(paths, name, err);
}

/* Add a member of the group to the plan if it has to be taken from its driver. */
static int plan_member(struct plan *plan, const struct vfio_address *address, struct error *err)
{
	struct vfio_record *record = plan->records + plan->count;
	const bool asked_for = !vfio_address_compare(address, &plan->address);
	struct vfio_host_device member;
	struct vfio_problem problem;
	int ret = vfio_host_read(plan->paths, address, &member, err);
	char name[VFIO_ADDRESS_TEXT], override[64];
	bool known;

	if (ret || member.is_bridge || vfio_host_is_vfio_driver(member.driver))
		return ret;
	if (plan->count == VFIO_MAX_MEMBERS)
		return error_set(err, -E2BIG, "its group has more devices than lkvm can bind");
	/*
	 * An earlier bind may have been killed and have left it without a driver: its record has
	 * the driver's name.
	 */
	known = !vfio_record_read(plan->paths, address, record);
	if (!member.driver[0] && !known && !asked_for)
		return 0;
	if (vfio_check_use(plan->paths, address, &problem))
		return error_set(err, -EBUSY, "%s: %s", problem.what, problem.remedy);
	vfio_address_format(address, name);
	if (!known || member.driver[0]) {
		read_override(plan->paths, name, override);
		strcpy(record->driver, member.driver);
		/*
		 * Otherwise this override was written by a bind that was killed before it unbound
		 * the device.
		 */
		if (!known || strcmp(override, "vfio-pci"))
			strcpy(record->override, override);
	}
	record->address = *address;
	record->taken_for = plan->address;
	plan->count++;
	return 0;
}

/* Give back all devices that have a record, also those that were not taken yet. */
static int undo(struct plan *plan, unsigned written, struct error *err, int ret)
{
	struct error again = { "" };
	size_t len = strlen(err->text);

	while (written--)
		give_back(plan->paths, &plan->records[written], &again);
	if (again.text[0])
		snprintf(err->text + len, sizeof(err->text) - len, "; and %.200s", again.text);
	return ret;
}

/* Take the devices of the plan from number @first on. */
static int carry_out(struct plan *plan, unsigned first, struct error *err)
{
	int ret;

	for (unsigned i = first; i < plan->count; i++) {
		ret = vfio_record_write(plan->paths, &plan->records[i], err);
		if (ret)
			return undo(plan, i, err, ret);
	}
	for (unsigned i = first; i < plan->count; i++) {
		ret = take(plan->paths, &plan->records[i], err);
		if (ret)
			return undo(plan, plan->count, err, ret);
	}
	return 0;
}

static int plan_group(struct plan *plan, struct error *err)
{
	struct vfio_host_device device;
	int ret = vfio_host_read(plan->paths, &plan->address, &device, err);

	for (unsigned i = 0; !ret && i < device.member_count; i++)
		ret = plan_member(plan, &device.members[i], err);
	return ret;
}

/*
 * On arm64 a device gets its group when a driver binds, so new members may appear when it has been
 * taken: we look again until there are no new ones.
 */
int vfio_bind_locked(const struct vfio_paths *paths, const struct vfio_address *address,
		     struct error *err)
{
	struct plan plan = { .paths = paths, .address = *address };
	unsigned first;
	int ret;

	do {
		first = plan.count;
		ret = plan_group(&plan, err);
		if (ret)
			return undo(&plan, first, err, ret);
		ret = carry_out(&plan, first, err);
	} while (!ret && plan.count > first);
	return ret ? ret : plan.count > 0;
}

/* Whether a bind was killed after it had unbound the device and before vfio-pci took it. */
static bool is_left_over(const struct vfio_paths *paths, const struct vfio_host_device *device)
{
	struct vfio_record record;

	return !device->driver[0] && !vfio_record_read(paths, &device->address, &record);
}

/* Whether vfio-pci already has all devices that it has to have. */
static bool nothing_to_do(const struct vfio_paths *paths, const struct vfio_host_device *device)
{
	struct vfio_host_device member;

	for (unsigned i = 0; i < device->member_count; i++) {
		if (vfio_host_read(paths, &device->members[i], &member, NULL) || member.is_bridge)
			continue;
		if (is_left_over(paths, &member) ||
		    (member.driver[0] && !vfio_host_is_vfio_driver(member.driver)))
			return false;
	}
	return vfio_host_is_vfio_driver(device->driver);
}

int vfio_bind_check(const struct vfio_paths *paths, const struct vfio_address *address,
		    struct error *err)
{
	struct vfio_host_device device;
	int ret = vfio_host_read(paths, address, &device, err);

	if (ret || nothing_to_do(paths, &device))
		return ret;
	ret = check_device(paths, &device, err);
	return ret ? ret : 1;
}

int vfio_bind(const struct vfio_paths *paths, const struct vfio_address *address, struct error *err)
{
	struct error unheard = { "" };
	int ret, lock;

	err = err ? err : &unheard;
	ret = vfio_bind_check(paths, address, err);
	if (ret <= 0)
		return ret;
	lock = vfio_state_lock(paths, err);
	if (lock < 0)
		return lock;
	ret = vfio_bind_locked(paths, address, err);
	close(lock);
	return MIN(ret, 0);
}

/* ---- release ---- */

static int say_not_remembered(const struct vfio_paths *paths, const struct vfio_address *address,
			      struct error *err)
{
	char name[VFIO_ADDRESS_TEXT], other[VFIO_ADDRESS_TEXT];
	struct vfio_host_device device;
	struct vfio_record record;

	vfio_address_format(address, name);
	if (!vfio_record_read(paths, address, &record)) {
		vfio_address_format(&record.taken_for, other);
		return error_set(err, -ENOENT,
				 "%s was taken together with %s: 'lkvm vfio release %s' gives both "
				 "back",
				 name, other, other);
	}
	if (vfio_host_read(paths, address, &device, err))
		return -ENOENT;
	return error_set(err, -ENOENT,
			 "%s: there is nothing to give back: lkvm has not taken it "
			 "from a driver (its driver is %s)",
			 name, device.driver[0] ? device.driver : "none");
}

/*
 * Unbinding a device that is open waits until it is closed. If a process opens it after this look,
 * vfio-pci asks that process to close it.
 */
static int check_open(const struct vfio_paths *paths, const struct vfio_record *record,
		      struct error *err)
{
	struct vfio_host_device device;
	char name[VFIO_ADDRESS_TEXT], opener[64];
	int fd;

	if (vfio_host_read(paths, &record->address, &device, NULL) || device.group < 0 ||
	    strcmp(device.driver, "vfio-pci"))
		return 0;
	vfio_address_format(&record->address, name);
	fd = vfio_host_open_group(paths, device.group);
	if (fd == -EBUSY) {
		vfio_find_group_opener(paths, device.group, opener);
		return error_set(err, -EBUSY,
				 "%s: its group is open in %s (%s/vfio/%d): end that first", name,
				 opener[0] ? opener : "a VM or another program", paths->dev,
				 device.group);
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

int vfio_release_locked(const struct vfio_paths *paths, const struct vfio_address *address,
			struct error *err)
{
	struct vfio_record records[VFIO_MAX_MEMBERS];
	unsigned count = vfio_records_of(paths, address, records);
	char name[VFIO_ADDRESS_TEXT];
	int ret = 0;

	if (!count)
		return say_not_remembered(paths, address, err);
	vfio_address_format(address, name);
	for (unsigned i = 0; !ret && i < count; i++)
		ret = check_open(paths, &records[i], err);
	if (ret)
		return ret;
	/* If one of them fails, the others are given back all the same. */
	for (unsigned i = 0; i < count; i++) {
		int one = give_back(paths, &records[i], err);

		ret = ret ? ret : one;
	}
	return ret;
}

int vfio_release(const struct vfio_paths *paths, const struct vfio_address *address,
		 struct error *err)
{
	struct vfio_record record;
	int ret, lock;

	/*
	 * Without a record there is nothing to do, and no need to take the lock, which other users
	 * may not.
	 */
	if (vfio_record_read(paths, address, &record) == -ENOENT &&
	    !vfio_records_of(paths, address, (struct vfio_record[VFIO_MAX_MEMBERS]){ 0 }))
		return say_not_remembered(paths, address, err);
	lock = vfio_state_lock(paths, err);
	if (lock < 0)
		return lock;
	ret = vfio_release_locked(paths, address, err);
	close(lock);
	return ret;
}
