#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""zboot.py IMAGE OUT gzip|zstd: pack an arm64 Image as Linux's EFI_ZBOOT does, as far as one who unpacks it looks."""
import gzip
import pathlib
import struct
import subprocess
import sys

HEADER = 4096

image, out, kind = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2]), sys.argv[3]
if kind == "gzip":
    payload, tail = gzip.compress(image, 1), b""
else:
    packed = subprocess.run(["zstd", "-q", "-3", "-c"], input=image, check=True, stdout=subprocess.PIPE)
    payload, tail = packed.stdout, struct.pack("<I", len(image))
header = struct.pack("<4s4sII8x32s", b"MZ", b"zimg", HEADER, len(payload), kind.encode())
out.write_bytes(header.ljust(HEADER, b"\0") + payload + tail)
