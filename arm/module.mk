# Portable: needs nothing of an arm64 KVM.
arm-portable := features.c features_pmu.c fdt.c firmware_image.c fdt_pci.c fdt_writer.c gic_choose.c image.c image_plan.c load.c map.c \
	   pl011.c pl031.c pl061.c sbsa_gwdt.c v2m.c walk.c
arm-src := $(arm-portable) gic.c stolen_time.c vcpu.c vm.c watchdog.c registers.c
