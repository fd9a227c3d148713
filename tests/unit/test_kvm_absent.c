/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../vmm/kvm_absent.h"
#include "test.h"

static char root[64];

static int set_up(void **state)
{
	char path[100];

	strcpy(root, "/tmp/lkvm-test.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/proc", root);
	return mkdir(path, 0755);
}

static int tear_down(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put(const char *name, const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void remedy_is(const char *words)
{
	const char *said = kvm_absent_remedy(root);

	if (!strstr(said, words))
		fail_msg("%s: %s", words, said);
}

TEST_WITH(a_container_is_given_the_hosts_device, set_up, tear_down)
{
	put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse\n");
	put(".dockerenv", "");
	remedy_is("--device /dev/kvm");
}

TEST_WITH(a_processor_that_can_lacks_the_module, set_up, tear_down)
{
	put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse vmx\n");
	remedy_is("modprobe kvm_intel");
	put("proc/cpuinfo", "processor\t: 0\nflags\t\t: svm fpu hypervisor\n");
	remedy_is("modprobe kvm_amd");
}

TEST_WITH(a_virtual_machine_lacks_nesting, set_up, tear_down)
{
	put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor vmxnot\n");
	remedy_is("nesting");
}

TEST_WITH(a_processor_that_cannot_is_for_the_firmware, set_up, tear_down)
{
	put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse\n");
	remedy_is("in the firmware");
}

TEST_WITH(where_nothing_says_why_all_is_named, set_up, tear_down)
{
	remedy_is("load KVM's module");
	put("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n");
	remedy_is("nesting");
}

TEST_WITH(an_arm64_host_is_to_boot_at_el2, set_up, tear_down)
{
	put("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n");
	remedy_is("EL2");
	remedy_is("nesting");
}

static void may_not(int error, mode_t mode, const char *words)
{
	char path[100], why[512];

	put("kvm", "");
	snprintf(path, sizeof(path), "%s/kvm", root);
	chmod(path, mode);
	kvm_absent_permission(root, "/kvm", error, why, sizeof(why));
	if (!strstr(why, words))
		fail_msg("%s: %s", words, why);
}

TEST_WITH(a_file_that_nobody_may_open_is_opened_to_a_group, set_up, tear_down)
{
	may_not(EACCES, 0600, "its mode is 0600");
	may_not(EACCES, 0600, "chgrp kvm /kvm");
}

TEST_WITH(in_a_container_the_files_group_is_given, set_up, tear_down)
{
	put(".dockerenv", "");
	may_not(EACCES, 0660, "--group-add");
}

TEST_WITH(what_the_control_group_forbids_is_the_containers_affair, set_up, tear_down)
{
	may_not(EPERM, 0666, "--device /kvm");
}

TEST_WITH(a_file_that_cannot_be_seen_has_no_remedy, set_up, tear_down)
{
	char why[512];

	kvm_absent_permission(root, "/nowhere", EACCES, why, sizeof(why));
	assert_string_equal(why, "nor may it be looked at");
}
