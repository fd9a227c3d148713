/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "test.h"
#include "vfio/host.h"

TEST(an_address_is_read_with_its_domain_and_without)
{
	struct vfio_address a;

	assert_int_equal(vfio_address_parse(&a, "00:04.0", NULL), 0);
	assert_true(!a.domain && !a.bus && a.slot == 4 && !a.function);
	assert_int_equal(vfio_address_parse(&a, "0001:fe:1F.7", NULL), 0);
	assert_true(a.domain == 1 && a.bus == 0xfe && a.slot == 0x1f && a.function == 7);
	assert_int_equal(vfio_address_parse(&a, "1:2:3.4", NULL), 0);
	assert_true(a.domain == 1 && a.bus == 2 && a.slot == 3 && a.function == 4);
}

TEST(an_address_is_written_as_linux_does)
{
	const struct vfio_address a = { 1, 0xfe, 0x1f, 7 };
	char text[VFIO_ADDRESS_TEXT];

	vfio_address_format(&a, text);
	assert_string_equal(text, "0001:fe:1f.7");
}

TEST(what_is_no_address_is_refused_and_shown_the_form)
{
	static const char *const bad[] = {
		"",	    "4",	"00:04",	  "00:04.",	   "00:04.8",
		"00:20.0",  "100:04.0", "00:04.0 ",	  " 00:04.0",	   "0000:00:04.0,auto",
		":00:04.0", "00:04:0",	"0000:00:04:0.0", "00:-4.0",	   "10000:00:04.0",
		"0x0:04.0", "00:4.00",	"nvme0",	  "0000:100:04.0", "0000:00:040.0",
	};
	struct vfio_address a;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { "" };

		if (vfio_address_parse(&a, bad[i], &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(strstr(err.text, "0000:00:04.0"));
	}
}
