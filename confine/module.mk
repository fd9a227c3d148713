confine-src := capabilities.c confine.c landlock.c seccomp.c violation.c
