/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's power button: one device of the architecture's has it (vm->power_button). */
#ifndef VMM_POWER_H
#define VMM_POWER_H

/* Lives inside the device. */
struct power_button {
	/*
	 * It is pressed and let go: the guest may do what it likes with that. VM lock held, the VM
	 * paused or not.
	 */
	void (*press)(struct power_button *button);
};

#endif
