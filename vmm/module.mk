vmm-src := alarm.c boot_cache.c boot_folder.c boot_image.c boot_filler.c bus.c control.c \
	   control_client.c control_console.c control_events.c control_pause.c control_socket.c \
	   control_vm.c core.c counters.c device.c \
	   device_place.c dma.c events.c flash.c flash_class.c flash_file.c hang.c hang_judge.c host.c i6300esb.c ioevent.c irq.c \
	   kernel_config.c kernel_search.c kvm_absent.c loop.c loop_timer.c memory.c \
	   memory_file.c msi.c msix.c panic.c pause.c pci.c pci_access.c pci_bar.c \
	   pci_capability.c pci_config.c pci_intx.c pci_msi.c pci_place.c pvpanic.c \
	   pvpanic_class.c pvpanic_pci.c serial.c serial_class.c slot.c terminal.c \
	   terminal_end.c terminal_input.c terminal_line.c terminal_output.c \
	   terminal_taps.c terminal_target.c tty.c vcpu.c vcpu_kick.c visit.c vm.c \
	   uart.c unasked.c vm_count.c vm_terminals.c watchdog.c watchdog_class.c windows.c worker.c
