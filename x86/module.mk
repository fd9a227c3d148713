x86-src :=
x86-portable :=
