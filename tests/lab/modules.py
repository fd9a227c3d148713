#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""modules.py [--packed] MODULES OUT NAME...: copy the named kernel modules from the folder
MODULES, and all that they depend on, to OUT, decompressed; list them in
OUT/order, each after what it needs. What is built in, or (with a "?" behind its
name) does not exist in this kernel, is left out. With --packed the files stay
as they are, in their folders, and OUT has a modules.dep and modules.builtin. Does depmod's work, since
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
    def __init__(self, source, target, packed):
        self.source, self.packed, self.needs = source, packed, {}
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
        self.needs[name] = [r for r in map(str.strip, self.requirements(image))]
        for requirement in self.needs[name]:
            self.add(requirement)
        if self.packed:
            self.copy(self.files[name])
        else:
            (self.target / (name + ".ko")).write_bytes(image)
        self.order.append(name)

    def copy(self, path):
        target = self.target / path.relative_to(self.source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())

    def everything_needed(self, name):
        """As depmod lists it: what is to be loaded last comes first."""
        found = []
        for need in reversed(self.needs.get(name, [])):
            need = canonical(need.rstrip("?"))
            if need in self.order:
                found += [need] + self.everything_needed(need)
        return found

    def write_lists(self):
        def place(name):
            return str(self.files[name].relative_to(self.source))
        lines = (place(n) + ": " + " ".join(map(place, self.everything_needed(n))) for n in self.order)
        (self.target / "modules.dep").write_text("".join(line.rstrip() + "\n" for line in lines))
        (self.target / "modules.builtin").write_text((self.source / "modules.builtin").read_text())


def main():
    packed = sys.argv[1] == "--packed"
    source, target, *names = sys.argv[2 if packed else 1:]
    source, target = pathlib.Path(source).resolve(), pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    collection = Collection(source, target, packed)
    for name in names:
        collection.add(name)
    if packed:
        collection.write_lists()
        return
    (target / "order").write_text("".join(name + "\n" for name in collection.order))


main()
