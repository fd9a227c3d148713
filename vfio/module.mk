# Passed devices: what the host says of them, binding, and the passthrough itself.
vfio-src :=
