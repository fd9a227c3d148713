x86-portable := acpi.c aml.c boot.c bzimage.c cmos.c config_ports.c dsdt.c dsdt_pci.c \
	   elf.c image.c image_read.c image_unpacked.c layout.c rtc.c vmlinux.c
x86-src := $(x86-portable) cpuid.c legacy.c registers.c vcpu.c vm.c
