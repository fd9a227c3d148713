# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of endurance share: a folder with what a run of tests/guest/all_devices needs, and a look at it afterwards."""
import ctypes, os, re, shutil, signal, socket, subprocess, tempfile, time

WRITES, STRIDE, SECTORS = 6, 256, 8 # tests/guest/all_devices.c
SUBREAPER = 36
ALL_DEVICES = ("--transport mmio --viommu=bypass=on --rng --balloon -d raw -d qcow2 --fs folder --9p folder,x --vsock 5,path=vs --watchdog")

def adopt():
    """Processes that lose their parent become ours."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)

def make_images(lkvm):
    folder = tempfile.mkdtemp(prefix="lkvm-endure.")
    with open(os.path.join(folder, "raw"), "wb") as file:
        file.truncate(2 << 20)
    subprocess.run([lkvm, "image", "create", os.path.join(folder, "qcow2"), "2M", "--format", "qcow2"], check=True,
                   stdout=subprocess.DEVNULL)
    return folder

def make_folder(images):
    """What a run of all devices needs, in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="lkvm-endure.")
    os.mkdir(os.path.join(folder, "folder"))
    for name in ("raw", "qcow2"):
        shutil.copyfile(os.path.join(images, name), os.path.join(folder, name))
    with open(os.path.join(folder, "initrd"), "wb") as file:
        file.write(b"initrd" * 1000)
    return folder

def listener(folder):
    """Where the guest's vsock leads to."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.path.join(folder, "vs_52"))
    sock.listen()
    return sock

def text(folder, name):
    with open(os.path.join(folder, name), errors="replace") as file:
        return file.read().replace("\r", "")

def leftovers():
    """Processes that outlive it: we are their parent then. The names of those that stay for ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
        except ChildProcessError:
            return []
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = [int(word) for word in file.read().split()]
    names = []
    for child in children:
        with open(f"/proc/{child}/comm") as file:
            names.append(file.read().strip())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return names

def disk_is_safe(file, number, mask):
    for n in range(WRITES):
        file.seek(n * STRIDE * 512)
        if mask >> n & 1 and file.read(SECTORS * 512) != bytes([16 * number + n + 1]) * SECTORS * 512:
            return False
    return True

def lost_writes(lkvm, folder, out, snapshot=False):
    """What was acknowledged is on the disks and in the folder."""
    problems = []
    safe = [0, 0]
    for number, mask in re.findall(r"^disk([01]) safe ([0-9a-f]{16})$", out, re.M):
        safe[int(number)] |= int(mask, 16)
    if snapshot:
        safe = [0, 0]
    qcow2, plain = os.path.join(folder, "qcow2"), os.path.join(folder, "plain")
    for words in (["check", qcow2], ["convert", qcow2, plain]):
        done = subprocess.run([lkvm, "image"] + words, capture_output=True, text=True)
        if done.returncode:
            return [f"lkvm image {words[0]}: status {done.returncode}, {done.stderr[-200:]}{done.stdout[-200:]}"]
    for number, name in enumerate(("raw", "plain")):
        with open(os.path.join(folder, name), "rb") as file:
            if not disk_is_safe(file, number, safe[number]):
                problems.append(f"{name} has lost a write that was flushed")
    for word, name in (("fuse safe", "over-fuse"), ("9p safe", "over-9p")):
        path = os.path.join(folder, "folder", name)
        if word in out and (not os.path.exists(path) or open(path).read() != "acknowledged"):
            problems.append(f"{name} has lost a write that was synced")
    return problems

def left_files(folder):
    left = [name for name in os.listdir(folder)
            if name not in "folder raw qcow2 initrd table vs_52 out err plain lkvm disk".split()]
    runtime = os.path.join(folder, "lkvm")
    return left + (os.listdir(runtime) if os.path.isdir(runtime) else [])

def note(table, kind, name, problems):
    """Counts a run, and says what was wrong with it: 1 if anything was."""
    table[kind] += 1
    if problems:
        print(f"not ok - {name}: {'; '.join(problems)}", flush=True)
    return 1 if problems else 0

def close(name, passed, failed, skipped):
    """The closing line, and that of $COUNTS; the exit status."""
    if os.environ.get("COUNTS"):
        with open(os.environ["COUNTS"], "a") as file:
            file.write(f"{name} {passed} {failed} {skipped}\n")
    print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
