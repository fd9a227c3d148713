util-src := error.c file.c log.c parse.c
