cmd-src :=
