util-src := aside.c error.c fds.c file.c iov.c log.c option.c parse.c relay.c utc.c
