disk-src :=
