/* SPDX-License-Identifier: BSD-2-Clause */
/* The product's table, and a row for the hole. */
#include "cmd/device_list.h"
#include "cmd/devices.h"

#define DECLARE(class) extern const struct device_class class;
#define REFER(class)   &class,

DEVICE_LIST(DECLARE)
DECLARE(hole_class)

const struct device_class *const device_classes[] = { DEVICE_LIST(REFER) & hole_class, NULL };
