folder-src := attr.c entry.c file.c folder.c fuse.c fuse_dir.c fuse_file.c fuse_ops.c node.c readdir.c \
	      table.c xattr.c
