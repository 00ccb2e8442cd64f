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

from harness import PATIENCE, Skip, scratch, wait_until

# In /run/lock a daemon that is killed leaves locks with its number, which another has in another namespace.
PRIVATE = ("/run/virt-disktune", "/run/libvirt", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt",
           "/var/log/libvirt", "/run/lock")
# QEMU as root: libvirt asks a QEMU anew for each call where its user cannot open /dev/kvm.
QEMU_CONF = """user = "{0}"
group = "{1}"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
vnc_auto_unix_socket = 1
"""
# The namespace of mounts that the program was started in.
OUTSIDE = "VIRT_DISKTUNE_ALONE"
_state = {}


def _namespace():
    return os.readlink("/proc/self/ns/mnt")


def is_alone():
    """Whether this is another namespace than the one that alone() left: the variable by itself says nothing."""
    outside = os.environ.get(OUTSIDE, "")
    return outside.startswith("mnt:") and outside != _namespace()


def alone():
    """Goes on in namespaces of its own, where that can be; need_daemon() says so where it cannot."""
    if is_alone() or os.geteuid() != 0 or not shutil.which("unshare"):
        return
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*words, "true"], capture_output=True).returncode == 0:
        os.environ[OUTSIDE] = _namespace()
        # A shell stays in front: somebody has to reap the QEMUs that libvirt lets go.
        os.execvp(words[0], [*words, "sh", "-c", '"$@"; exit $?', "sh", sys.executable, *sys.argv])


def need_daemon():
    """Starts the daemon, once."""
    if "libvirtd" in _state:
        return
    libvirtd = shutil.which("libvirtd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not is_alone():
        raise Skip("a libvirtd of its own needs root and namespaces")
    if not libvirtd:
        raise Skip("there is no libvirtd here")
    for path in PRIVATE:
        # Something has to be there to mount on, and outlasts the namespace.
        if not Path(path).is_dir():
            print(f"# made {path}, which this machine had not")
            Path(path).mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    run_qemu_as("root", "root")
    _state["words"] = [libvirtd, "--pid-file", "/run/libvirt/libvirtd.pid"]
    _state["log"] = scratch("libvirtd") / "log"
    start_daemon()


def run_qemu_as(user, group):
    """From the daemon's next start on."""
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF.format(user, group))


def start_daemon():
    """Starts it, the first time or after kill_daemon()."""
    with open(_state["log"], "ab") as log:
        _state["libvirtd"] = subprocess.Popen(_state["words"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: virsh("uri", check=False).returncode == 0 or _state["libvirtd"].poll() is not None, PATIENCE,
               "libvirtd does not answer")
    assert _state["libvirtd"].poll() is None, f"libvirtd ended: {_state['log'].read_text(errors='replace')[-500:]}"


def daemon_pid():
    return _state["libvirtd"].pid


def kill_daemon():
    """As a crash does: its guests go on."""
    _state["libvirtd"].kill()
    _state["libvirtd"].wait()


def virsh(*arguments, check=True, timeout=None):
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout)
    assert not check or done.returncode == 0, f"virsh {arguments}: {done.stderr}"
    return done


def define(xml, directory):
    path = Path(directory) / "define.xml"
    path.write_text(xml)
    virsh("define", path)
    path.unlink()
