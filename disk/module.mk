disk-src := aio.c disk.c raw.c raw_io.c worker.c
