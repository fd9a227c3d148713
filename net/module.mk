net-src := io.c keeper.c net.c options.c pcap.c script.c socket.c tap.c tap_setup.c user.c user_child.c
