helper-src := confine.c net_user.c private_root.c seccomp.c
