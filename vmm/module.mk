vmm-src :=
