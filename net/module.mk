net-src := io.c net.c options.c pcap.c script.c scripts.c socket.c tap.c tap_setup.c user.c user_child.c
