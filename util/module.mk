util-src := error.c log.c parse.c
