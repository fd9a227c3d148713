# Passed devices: what the host says of them, binding, and the passthrough itself.
vfio-src :=
# The host: what it says, what stops a passthrough, binding.
vfio-src += address.c bind.c bind_state.c check.c check_add.c check_display.c check_group.c check_iommu.c \
	    check_use.c host.c host_display.c host_sysfs.c host_touch.c list.c opener.c problem.c use.c
# The passthrough: containers, groups, devices.
vfio-src += auto.c capabilities.c capability_list.c class.c config.c container.c device.c device_open.c errors.c group.c \
	    info.c interrupts.c intx.c irqs.c msi.c peers.c ram.c regions.c reset.c sys.c type1.c vfio.c
