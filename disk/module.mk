disk-src := aio.c backing.c disk.c file.c file_io.c format.c holder.c image.c image_convert.c image_file.c open.c \
	    qcow2.c qcow2_cache.c qcow2_check.c qcow2_commit.c qcow2_create.c qcow2_header.c qcow2_map.c qcow2_pool.c \
	    qcow2_read.c qcow2_refcount.c qcow2_write.c raw.c request_memory.c submit.c trouble.c
