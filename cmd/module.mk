cmd-src := help.c iommu.c iommu_print.c list.c machine.c machine_check.c machine_fds.c \
	   machine_pci.c main.c options.c run.c run_options.c version.c vfio.c \
	   vfio_print.c watch.c
