/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of cmd/device_table.c with one row more: an lkvm that has the toy. */
#include "cmd/device_list.h"
#include "cmd/devices.h"

#define DECLARE(class) extern const struct device_class class;
#define REFER(class)   &class,

DEVICE_LIST(DECLARE)
DECLARE(toy_class)

const struct device_class *const device_classes[] = { DEVICE_LIST(REFER) REFER(toy_class) NULL };
