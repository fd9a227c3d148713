folder-src := attr.c entry.c file.c folder.c node.c readdir.c table.c xattr.c
