iommu-src := domain.c endpoint.c fault.c group.c move.c options.c request.c resv.c \
	   store.c store_pool.c store_remove.c trace.c view.c view_json.c view_trace.c \
	   viommu.c viot.c $(if $(filter arm64,$(ARCH)),fdt.c,nofdt.c) class.c
