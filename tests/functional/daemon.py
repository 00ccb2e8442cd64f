# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt daemon of a test's own: a real libvirtd whose configuration, state and sockets nobody else sees.

A test program that calls alone() first is run again in namespaces of its own, of mounts and of processes: what it
starts ends with it, whatever happens, and a libvirtd of the machine is neither seen nor disturbed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import PATIENCE, Skip, wait_until

PRIVATE = ("/run/virt-disktune", "/run/libvirt", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt",
           "/var/log/libvirt")
# QEMU as root: libvirt asks a QEMU anew for each call where its user cannot open /dev/kvm.
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_state = {}


def alone():
    """Goes on in namespaces of its own, where that can be; need_daemon() says so where it cannot."""
    if os.environ.get("ALONE") or os.geteuid() != 0 or not shutil.which("unshare"):
        return
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*words, "true"], capture_output=True).returncode == 0:
        os.environ["ALONE"] = "1"
        # A shell stays in front: somebody has to reap the QEMUs that libvirt lets go.
        os.execvp(words[0], [*words, "sh", "-c", '"$@"; exit $?', "sh", sys.executable, *sys.argv])


def need_daemon():
    """Starts the daemon, once."""
    if "libvirtd" in _state:
        return
    libvirtd = shutil.which("libvirtd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not os.environ.get("ALONE"):
        raise Skip("a libvirtd of its own needs root and namespaces")
    if not libvirtd:
        raise Skip("there is no libvirtd here")
    for path in PRIVATE:
        Path(path).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    _state["words"] = [libvirtd, "--pid-file", "/run/libvirt/libvirtd.pid"]
    start_daemon()


def start_daemon():
    """Starts it, the first time or after kill_daemon()."""
    log = open("libvirtd.log", "ab" if "libvirtd" in _state else "wb")
    _state["libvirtd"] = subprocess.Popen(_state["words"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: virsh("uri", check=False).returncode == 0 or _state["libvirtd"].poll() is not None, PATIENCE,
               "libvirtd does not answer")
    assert _state["libvirtd"].poll() is None, f"libvirtd ended: {Path('libvirtd.log').read_text()[-500:]}"


def daemon_pid():
    return _state["libvirtd"].pid


def kill_daemon():
    """As a crash does: its guests go on."""
    _state["libvirtd"].kill()
    _state["libvirtd"].wait()


def virsh(*arguments, check=True):
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *map(str, arguments)], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"virsh {arguments}: {done.stderr}"
    return done


def define(xml, directory):
    path = Path(directory) / "define.xml"
    path.write_text(xml)
    virsh("define", path)
    path.unlink()
