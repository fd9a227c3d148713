disk-src := aio.c disk.c file.c file_io.c format.c holder.c raw.c submit.c
