#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""modules.py MODULES OUT NAME...: copy the named kernel modules from the folder
MODULES, and all that they depend on, to OUT, decompressed; list them in
OUT/order, each after what it needs. What is built in, or (with a "?" behind its
name) does not exist in this kernel, is left out. Does depmod's work, since
Debian's packages leave that to their installation."""
import lzma
import pathlib
import subprocess
import sys


def canonical(name):
    return name.replace("-", "_")


def load(path):
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout
    return path.read_bytes()


def modinfo(image, key):
    """The values of a field of the module's .modinfo section: key=value strings between NULs."""
    prefix = b"\0" + key.encode() + b"="
    position = image.find(prefix)
    while position >= 0:
        begin = position + len(prefix)
        yield image[begin:image.index(b"\0", begin)].decode()
        position = image.find(prefix, begin)


class Collection:
    def __init__(self, source, target):
        self.files = {canonical(p.name.split(".ko")[0]): p for p in source.rglob("*.ko*")}
        listed = (source / "modules.builtin").read_text().split()
        self.builtin = {canonical(pathlib.PurePath(line).stem) for line in listed}
        self.target = target
        self.order = []

    def requirements(self, image):
        for value in modinfo(image, "depends"):
            yield from (name for name in value.split(",") if name)
        for value in modinfo(image, "softdep"):
            before = value.partition("pre:")[2].partition("post:")[0]
            yield from (name + "?" for name in before.split())

    def add(self, wanted):
        name = canonical(wanted.rstrip("?"))
        if name in self.order or name in self.builtin:
            return
        if name not in self.files:
            if wanted.endswith("?"):
                return
            sys.exit(f"modules.py: this kernel has no module {name}")
        image = load(self.files[name])
        for requirement in self.requirements(image):
            self.add(requirement)
        (self.target / (name + ".ko")).write_bytes(image)
        self.order.append(name)


def main():
    source, target = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    collection = Collection(source, target)
    for name in sys.argv[3:]:
        collection.add(name)
    (target / "order").write_text("".join(name + "\n" for name in collection.order))


main()
