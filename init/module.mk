# But memory.c, whose functions a program with a C library has already.
init-src := channels.c command.c config.c host.c init.c ports.c root.c run.c server.c stream.c terminal.c text.c
