util-src := aside.c error.c fds.c file.c iov.c keeper.c keeper_process.c listener.c log.c option.c parse.c relay.c symbols.c utc.c
