# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Debian guest with QEMU's guest agent, for tests that need more than the probe guest.

Its root image is made of packages once, from where this machine has its own, and kept in the state directory under
the hash of the recipe. A guest of a test is an overlay of it, booted by kernel and initrd, under a libvirtd of the
test's own (daemon.py). The disk that a test is about is vdb: an ext4 with the label "data", mounted at /data.
"""

import base64
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from daemon import define, need_daemon, virsh
from harness import PATIENCE, Skip, default_state, run_json, scratch, wait_until

SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "udev", "dbus", "qemu-guest-agent", "lvm2", "linux-image-cloud-amd64")
# What dpkg need not unpack, as it is read by people.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
# Written into the tree. QEMU_GA comes from the kernel's command line (systemd.setenv=).
FILES = {
    "etc/fstab": "LABEL=root / ext4 defaults 0 1\nLABEL=data /data ext4 nofail,x-systemd.device-timeout=600s 0 2\n",
    "etc/hostname": "guest\n",
    "etc/machine-id": "5d3c9f0e7b6a4c1f8e2d1a0b9c8d7e6f\n",
    "etc/systemd/system/qemu-guest-agent.service.d/words.conf":
        "[Service]\nPassEnvironment=QEMU_GA\nExecStart=\nExecStart=/usr/sbin/qemu-ga $QEMU_GA\n",
}
IMAGE, KERNEL, INITRD = KEPT = ("root.qcow2", "vmlinuz", "initrd.img")
BYTES = "1500M"
# Recipes that nobody has used for so long are removed when another is made.
KEPT_SECONDS = 14 * 86400
TOOL_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

_made = {}


# --- The root image -------------------------------------------------------------------------------

def _recipe():
    text = json.dumps([SUITE, PACKAGES, LEFT_OUT, FILES, BYTES])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tool(*words, check=True):
    return subprocess.run([str(word) for word in words], check=check, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C", PATH=TOOL_PATH))


def _ask(*words):
    """Of a tool that needs what this machine may not have, as its package sources: without them it is a Skip."""
    done = _tool(*words, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise Skip(f"{words[0]} made no Debian guest: {lines[-1][:300]}")
    return done.stdout


def _sources(work):
    """Debian's part of this machine's package sources, and how it reaches them."""
    lines = _ask("apt-get", "indextargets", "--format", "deb $(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                "Origin: Debian", f"Architecture: {_ask('dpkg', '--print-architecture').strip()}").splitlines()
    mine = [line for line in lines if line.split()[2].split("-")[0] == SUITE]
    if not mine:
        raise Skip(f"this machine has no package lists of Debian's {SUITE} (apt-get update?)")
    (work / "sources.list").write_text("\n".join(dict.fromkeys(mine)) + "\n")
    settings = [line for line in _ask("apt-config", "dump").splitlines()
                if line.lower().startswith(("acquire::http", "acquire::retries", "acquire::check-"))]
    (work / "apt.conf").write_text("".join(f"{line}\n" for line in settings))


def _build(work):
    """Makes what is KEPT in this directory. Nothing is mounted but by mmdebstrap, in a namespace of its own."""
    tree, raw = work / "tree", work / "root.img"
    _sources(work)
    _ask("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--aptopt={work}/apt.conf",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT), f"--include={','.join(PACKAGES)}", SUITE, tree,
        work / "sources.list")
    for name, text in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "data").mkdir()
    for kept, pattern in ((KERNEL, "vmlinuz-*"), (INITRD, "initrd.img-*")):
        shutil.move(next((tree / "boot").glob(pattern)), work / kept)
    _tool("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, raw, BYTES)
    _tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, work / IMAGE)
    shutil.rmtree(tree)
    for name in ("root.img", "sources.list", "apt.conf"):
        (work / name).unlink()
    sums = {name: _sum(work / name) for name in KEPT}
    (work / "sums.json").write_text(json.dumps(sums))
    work.chmod(0o755)


def _sum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(place):
    try:
        return json.loads((place / "sums.json").read_text()) == {name: _sum(place / name) for name in KEPT}
    except (OSError, ValueError):
        return False


def _tidy(top):
    """Under the lock: half-made ones are a killed run's."""
    for path in top.iterdir():
        if path.name.startswith(".making-") or path.is_dir() and path.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def root_image():
    """The directory with what is KEPT; made where it is not there, or not whole. Skip where it cannot be made."""
    if "root" in _made:
        return _made["root"]
    if os.geteuid() != 0:
        raise Skip("a Debian guest is made by root alone")
    if platform.machine() != "x86_64":
        raise Skip("the Debian guest is made for x86_64 alone")
    missing = [tool for tool in ("mmdebstrap", "apt-get", "mke2fs", "qemu-img")
               if not shutil.which(tool, path=TOOL_PATH)]
    if missing:
        raise Skip(f"not installed: {', '.join(missing)}")
    top = default_state() / "test-guests"
    top.mkdir(parents=True, exist_ok=True)
    place = top / _recipe()
    with open(top / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_whole(place):
            _tidy(top)
            work = Path(tempfile.mkdtemp(prefix=".making-", dir=top))
            try:
                _build(work)
                shutil.rmtree(place, ignore_errors=True)
                work.rename(place)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        os.utime(place)
    _made["root"] = place
    return place


# --- Its other disks ------------------------------------------------------------------------------

def data_image(path, *options, size="256M"):
    """A qcow2 with an ext4 that the guest mounts at /data; the options are those of `qemu-img create`."""
    raw = Path(f"{path}.raw")
    _tool("mke2fs", "-q", "-t", "ext4", "-L", "data", raw, size)
    _tool("qemu-img", "create", "-q", "-f", "qcow2", *options, path, size)
    _tool("qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", raw, path)
    raw.unlink()
    return Path(path)


def disk_xml(source, target="vdb", driver="cache='none'", form="qcow2", bus="virtio", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{form}' {driver}/>"
            f"<source file='{source}'/><target dev='{target}' bus='{bus}'/>{more}</disk>")


def accelerator():
    """"kvm" where it works, which the program finds by trying, or "qemu"."""
    if "accelerator" not in _made:
        report = run_json("measure", "-d", scratch(), "--guest", "--size", "16M", "--runtime", "1s", "-w", "dd",
                          "--rewrite")
        _made["accelerator"] = "kvm" if report["accelerator"] == "kvm" else "qemu"
    return _made["accelerator"]


# --- The guest ------------------------------------------------------------------------------------

class DebianGuest:
    """`disks` is XML of disks beside the root disk; `blocked` are commands that the agent refuses, as RHEL's does;
    without `agent` there is none in the guest; without `channel` the domain has no way to one."""

    def __init__(self, directory, name="debian", disks="", blocked=(), agent=True, channel=True):
        need_daemon()
        self.directory, self.name, self.disks, self.channel = Path(directory), name, disks, channel
        self.console = self.directory / f"{name}.console"
        self.root = self.directory / f"{name}-root.qcow2"
        self.words = f" systemd.setenv=QEMU_GA=-b{','.join(blocked)}" if blocked else ""
        self.words += "" if agent else " systemd.mask=qemu-guest-agent.service"
        self.place = root_image()
        _tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.place / IMAGE, "-F", "qcow2", self.root)

    def xml(self):
        channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        return (f"<domain type='{accelerator()}'><name>{self.name}</name><memory unit='MiB'>384</memory><vcpu>1</vcpu>"
                f"<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{self.place / KERNEL}</kernel>"
                f"<initrd>{self.place / INITRD}</initrd>"
                f"<cmdline>root=LABEL=root rw console=ttyS0 quiet{self.words}</cmdline></os>"
                f"<features><acpi/></features><devices>{disk_xml(self.root, 'vda')}{self.disks}"
                f"<serial type='file'><source path='{self.console}'/></serial>{channel if self.channel else ''}"
                f"<memballoon model='none'/></devices></domain>")

    def define(self):
        define(self.xml(), self.directory)
        return self

    def start(self):
        virsh("start", self.name)
        return self

    def state(self):
        return virsh("domstate", self.name).stdout.strip()

    def _tail(self):
        return self.console.read_text(errors="replace")[-2000:] if self.console.exists() else "no console"

    def wait_boot(self):
        """Until the guest asks for a login: without an agent there is no other sign."""
        self._wait(lambda: "login:" in self._tail(), "does not boot")
        return self

    def wait_agent(self):
        self._wait(lambda: self.ping(5) == 0, "has no agent that answers")
        return self

    def ping(self, seconds):
        return self._call({"execute": "guest-ping"}, seconds).returncode

    def wait_mounted(self, point="/data"):
        """An agent may answer before all is mounted."""
        def is_mounted():
            # No answer is no end: a guest that starts is busy.
            done = self._call({"execute": "guest-get-fsinfo"}, PATIENCE)
            return not done.returncode and any(fs["mountpoint"] == point for fs in json.loads(done.stdout)["return"])
        self._wait(is_mounted, f"does not mount {point}")
        return self

    def _wait(self, condition, what):
        try:
            wait_until(lambda: condition() or self.state() != "running", PATIENCE, f"{self.name} {what}")
            assert self.state() == "running", f"{self.name} {what}, and is {self.state()}"
        except AssertionError as error:
            raise AssertionError(f"{error}; its console ends in:\n{self._tail()}") from None

    def _call(self, command, seconds):
        return virsh("qemu-agent-command", self.name, json.dumps(command), "--timeout", seconds, check=False)

    def agent(self, command, seconds=PATIENCE, **arguments):
        """What the agent returns."""
        done = self._call({"execute": command, "arguments": arguments}, seconds)
        assert done.returncode == 0, f"{command} {arguments}: {done.stderr}"
        return json.loads(done.stdout)["return"]

    def run(self, *argv, timeout=PATIENCE):
        """Exit status and standard output of a program in the guest."""
        pid = self.agent("guest-exec", path=argv[0], arg=list(map(str, argv[1:])), **{"capture-output": True})["pid"]

        def ended():
            status = self.agent("guest-exec-status", pid=pid)
            return status if status["exited"] else None
        status = wait_until(ended, timeout, f"{argv} in the guest does not end")
        return status.get("exitcode", -1), base64.b64decode(status.get("out-data", "")).decode(errors="replace")

    def shell(self, script):
        """Standard output of a script that succeeds in the guest, without the blanks around."""
        status, out = self.run("/bin/sh", "-c", script)
        assert status == 0, f"{script!r} in the guest: exit status {status}, {out!r}"
        return out.strip()

    def shutdown(self):
        virsh("shutdown", self.name)
        wait_until(lambda: self.state() == "shut off", PATIENCE, f"{self.name} does not shut down")

    def destroy(self):
        """Ends it however it is, and leaves no definition."""
        virsh("destroy", self.name, check=False)
        virsh("undefine", self.name, check=False)
