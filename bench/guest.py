# SPDX-License-Identifier: GPL-2.0-or-later
"""A throw-away guest for benches: commands run one after another beside a virtio disk, each with a JSON result.

Its initramfs has busybox, the programs named with their shared libraries, and the kernel's virtio modules; the
kernel is one that virt-disktune would take. Results come through a virtio-serial port whose other end is a file.
"""

import ctypes
import gzip
import json
import lzma
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

MODULES = ("virtio_pci", "virtio_blk", "virtio_console")
MEMORY_MIB = 1024
# As long as virt-disktune waits for its own guest (src/probe/probe.c); under TCG twice that, as busybox and fio with
# its libraries are a hundred times its size.
HELLO_SECONDS = {"kvm": 8, "tcg": 120}
# Nothing that is run here is silent for longer, unless it hangs.
SILENCE_SECONDS = 300
ARCHITECTURES = {
    "x86_64": {"machine": "q35", "console": "ttyS0", "kvm_cpu": "host,arch-capabilities=off"},
    "aarch64": {"machine": "virt", "console": "ttyAMA0", "kvm_cpu": "host"},
}
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
for module in /modules/*; do insmod $module; done
until [ -e /dev/vport0p1 ] && [ -b /dev/vda ]; do usleep 10000; done
exec 3>/dev/vport0p1
run() {
    echo "{\\"id\\": $1, \\"result\\":" >&3
    shift
    if "$@" >/tmp/out </dev/null; then cat /tmp/out >&3; else echo null >&3; fi
    echo '}' >&3
}
echo "{\\"kernel\\": \\"$(uname -r)\\", \\"clock\\": \\"$(cat /sys/devices/system/clocksource/*/current_clocksource)\\"}" >&3
. /commands
poweroff -f
"""


class GuestError(Exception):
    pass


# --- The kernel -----------------------------------------------------------------------------------

def state_directory():
    for path in (os.environ.get("VIRT_DISKTUNE_STATE_DIR", ""),
                 "/var/lib/virt-disktune" if os.geteuid() == 0 else "",
                 os.path.join(os.environ.get("XDG_STATE_HOME", ""), "virt-disktune")):
        if path.startswith("/"):
            return Path(path)
    return Path.home() / ".local/state/virt-disktune"


def dependencies(directory):
    """Each module's file and those that it needs, by names with '_'; no file for what is built in."""
    known = {}
    def name(path):
        return re.sub(r"\.ko.*", "", Path(path).name).replace("-", "_")

    builtin = directory / "modules.builtin"
    for path in builtin.read_text().split() if builtin.exists() else ():
        known[name(path)] = (None, [])
    for line in (directory / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        known[name(path)] = (directory / path, [name(other) for other in needed.split()])
    return known


def find_kernel():
    """The newest (release, image, modules) with virtio: src/host/kernel.c and scripts/fetch-kernel search the same."""
    found = []
    roots = [Path("/"), *(path for path in state_directory().glob("kernels/[!.]*"))]
    for modules in (path for root in roots for path in root.glob("lib/modules/*") if (path / "modules.dep").exists()):
        for image in (modules.parent.parent.parent / "boot" / f"vmlinuz-{modules.name}", modules / "vmlinuz"):
            if os.access(image, os.R_OK) and all(module in dependencies(modules) for module in MODULES):
                version = [int(part) for part in re.findall(r"\d+", modules.name)]
                found.append((version, modules.name, image, modules))
    if not found:
        raise GuestError("no kernel that a guest can boot: run scripts/fetch-kernel")
    return max(found)[1:]


def load_order(directory):
    known, order = dependencies(directory), []

    def add(name):
        path, needed = known[name]
        for other in needed:
            add(other)
        if path and path not in order:
            order.append(path)
    for name in MODULES:
        add(name)
    return order


def unpacked(path):
    data = path.read_bytes()
    if path.suffix == ".ko":
        return data
    if path.suffix in (".xz", ".gz"):
        return (lzma if path.suffix == ".xz" else gzip).decompress(data)
    raise GuestError(f"{path}: Python unpacks xz and gzip alone")


# --- The initramfs --------------------------------------------------------------------------------

def libraries(program):
    """The shared libraries of a program and its loader; none of a static one."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return sorted({match for match in re.findall(r"(/\S+) \(0x", output)})


class Initramfs:
    """An archive as cpio's format newc has it: for each file 110 bytes of header, its name, its data."""

    def __init__(self, file):
        self.file, self.known = file, set()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        head = "070701" + "".join(f"{field:08x}" for field in fields) + name + "\0"
        for part in (head.encode(), data):
            self.file.write(part + bytes(-len(part) % 4))

    def directory(self, name):
        if name and name not in self.known:
            self.directory(os.path.dirname(name))
            self.known.add(name)
            self._entry(name, 0o040755)

    def console(self):
        """What /init has for its standard output before there is a devtmpfs."""
        self._entry("dev/console", 0o020600, device=(5, 1))

    def add(self, name, data):
        name = name.lstrip("/")
        if name not in self.known:
            self.directory(os.path.dirname(name))
            self.known.add(name)
            self._entry(name, 0o100755, data)

    def end(self):
        self._entry("TRAILER!!!", 0)


def write_initramfs(path, modules, programs, files):
    """`programs`: places in the guest and the files of the host to be found there; `files`: texts by their places."""
    busybox = shutil.which("busybox")
    if not busybox or libraries(busybox):
        raise GuestError("no static busybox: apt-get install busybox-static")
    with open(path, "wb") as file:
        archive = Initramfs(file)
        for directory in ("dev", "proc", "sys", "tmp"):
            archive.directory(directory)
        archive.console()
        archive.add("bin/busybox", Path(busybox).read_bytes())
        for place, program in programs.items():
            archive.add(place, Path(program).read_bytes())
            for library in libraries(program):
                archive.add(library, Path(library).read_bytes())
        for number, module in enumerate(load_order(modules)):
            archive.add(f"modules/{number:02}-{module.name}", unpacked(module))
        for place, text in {"init": INIT, **files}.items():
            archive.add(place, text.encode())
        archive.end()


# --- The guest ------------------------------------------------------------------------------------

def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Guest:
    """`with Guest(directory, image, programs, files) as guest`: started, its accelerator in `accelerator`.

    `files` has "commands", sourced by the guest's shell: `run NUMBER COMMAND…` makes a result of what COMMAND prints.
    """

    def __init__(self, directory, image, programs, files):
        self.directory, self.image, self.programs, self.files = directory, image, programs, files
        self.qemu = None

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix=".virt-disktune-bench-", dir=self.directory)
        try:
            self.path = Path(self.temporary.name)
            self.release, self.kernel, modules = find_kernel()
            write_initramfs(self.path / "initramfs", modules, self.programs, self.files)
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._stop()
        self.temporary.cleanup()

    def _stop(self):
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()

    def _start(self):
        for self.accelerator in ("kvm", "tcg"):
            self._stop()
            self._launch()
            self.hello = self._next(HELLO_SECONDS[self.accelerator])
            if self.hello:
                return
        raise GuestError(f"the guest does not say hello: {self._last_words()}")

    def _launch(self):
        architecture = ARCHITECTURES[platform.machine()]
        kvm = self.accelerator == "kvm"
        (self.path / "results").write_bytes(b"")
        self.text, self.offset = "", 0
        command = [
            f"qemu-system-{platform.machine()}", "-nodefaults", "-display", "none", "-no-reboot",
            "-machine", architecture["machine"], "-accel", self.accelerator,
            "-cpu", architecture["kvm_cpu"] if kvm else "max", "-smp", "2", "-m", str(MEMORY_MIB),
            "-kernel", str(self.kernel), "-initrd", str(self.path / "initramfs"),
            "-append", f"console={architecture['console']} loglevel=4 panic=-1 tsc=reliable",
            "-serial", f"file:{self.path}/console",
            "-chardev", f"file,id=results,path={self.path}/results",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=results",
            "-object", "iothread,id=iothread",
            "-drive", f"if=none,id=disk,file={self.image},format=raw,cache=none,aio=native",
            "-device", "virtio-blk-pci,drive=disk,iothread=iothread",
        ]
        with open(self.path / "errors", "wb") as errors:
            # In a session of its own, Ctrl-C is ours alone to answer.
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                         start_new_session=True, preexec_fn=_die_with_parent)

    def _last_words(self):
        texts = [(self.path / name).read_text(errors="replace") for name in ("errors", "console")
                 if (self.path / name).exists()]
        lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
        # A panic's first line says more than its last.
        panic = [line for line in lines if "panic" in line]
        return " / ".join(panic[:1] or lines[-6:]) or "not a word"

    def _next(self, seconds):
        """The next JSON document of the port; None when the guest is silent or gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            gone = self.qemu.poll() is not None
            with open(self.path / "results", "rb") as file:
                file.seek(self.offset)
                data = file.read()
            self.offset += len(data)
            self.text = (self.text + data.decode(errors="replace")).lstrip()
            if self.text:
                try:
                    value, length = json.JSONDecoder().raw_decode(self.text)
                    self.text = self.text[length:]
                    return value
                except json.JSONDecodeError:
                    pass
            if gone and not data:
                return None
            time.sleep(0.02)
        return None

    def result(self):
        """The next command's number and result."""
        value = self._next(SILENCE_SECONDS)
        if not value or value["result"] is None:
            raise GuestError(f"the guest has no result: {self._last_words()}")
        return value["id"], value["result"]
