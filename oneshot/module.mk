oneshot-src := cpio.c findings.c initrd.c kernel.c module_needs.c module_read.c modules.c pack.c screen.c session.c stream.c verdict.c ways.c
