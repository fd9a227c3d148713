/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmocka_all.h"
#include "keeper_rig.h"
#include "net/options.h"
#include "util/listener.h"
#include "vfio/vfio.h"

struct keeper *keeper_rig_create(void)
{
	static const struct keeper_kind *const kinds[] = {
		&listener_file_kind,
		&listener_file_along_kind,
		&net_scripts_kind,
		&vfio_auto_kind,
		NULL,
	};
	struct keeper *keeper = NULL;

	assert_int_equal(keeper_create(&keeper, kinds), 0);
	return keeper;
}
