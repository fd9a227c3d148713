arm-src :=
arm-portable :=
