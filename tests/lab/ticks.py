#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ticks.py: print how many ticks a millisecond has of the counter that QEMU's TCG gives an emulated x86 host as its TSC:
this machine's own. That host cannot find it out: it counts ticks against its timers, which a busy machine delays, and its
clock then runs several times too fast."""
import ctypes
import mmap
import platform
import time

CODE = {
    # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
    "x86_64": bytes.fromhex("0f31 48c1e220 4809d0 c3"),
    # mrs x0, cntvct_el0; ret
    "aarch64": bytes.fromhex("40e03bd5 c0035fd6"),
}

page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(CODE[platform.machine()])
counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))


def sample():
    """The tightest of many pairs: nobody came between the two clocks."""
    pairs = []
    for _ in range(200):
        before = time.monotonic_ns()
        ticks = counter()
        pairs.append((time.monotonic_ns() - before, before, ticks))
    return min(pairs)


_, start, first = sample()
time.sleep(0.1)
_, end, last = sample()
print(round((last - first) * 1000000 / (end - start)))
