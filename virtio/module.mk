virtio-src :=
