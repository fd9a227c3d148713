/* SPDX-License-Identifier: BSD-2-Clause */
/* The table itself, alone in its file: a test build has one with a row more. */
#include "device_list.h"
#include "devices.h"

#define DECLARE(class) extern const struct device_class class;
#define REFER(class)   &class,

DEVICE_LIST(DECLARE)

const struct device_class *const device_classes[] = { DEVICE_LIST(REFER) NULL };
