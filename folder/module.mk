folder-src := attr.c entry.c file.c folder.c fuse.c fuse_dir.c fuse_file.c fuse_message.c fuse_ops.c \
	      handle.c host.c lock.c node.c node_fd.c node_table.c overlay.c p9.c p9_fid.c p9_file.c p9_message.c p9_ops.c \
	      readdir.c setattr.c step.c sync.c table.c xattr.c
