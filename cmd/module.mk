cmd-src := arm64_options.c balloon.c boot_time.c boot_time_draw.c completion.c console.c control.c core_dump.c debug.c diagnosis.c \
	   device_table.c devices.c events.c exec.c help.c image.c iommu.c iommu_print.c json_name.c \
	   kernel_default.c kernel_names.c kvmtool_options.c list.c list_print.c listener_pid.c machine.c machine_boot.c \
	   machine_check.c machine_debug.c machine_fds.c machine_stat.c main.c oneshot.c \
	   oneshot_ending.c oneshot_github.c oneshot_init.c oneshot_needs.c oneshot_options.c oneshot_plan.c oneshot_result.c oneshot_ways.c options.c options_print.c \
	   query.c report_file.c result.c run.c run_as.c run_options.c ssh.c stat.c stop.c vcpu_report.c verbs.c version.c vfio.c vfio_print.c \
	   vsock.c watch.c
