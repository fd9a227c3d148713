confine-src := capabilities.c confine.c landlock.c seccomp.c user.c violation.c
