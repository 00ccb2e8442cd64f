# SPDX-License-Identifier: GPL-2.0-or-later
"""Scratch directories of a test program, and what a killed one has left of them.

All of a program lie in one directory, functional-XXXXXXXX, with a file that it holds a lock on for as long as it lives.
Whoever gets that lock knows that the program is dead, and takes away what is mounted there, loop devices, control groups
and files. A directory without that file is none of ours.
"""

import atexit
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path

PREFIX = "functional-"
LOCK = "lock-of-virt-disktune-test"
GROUP_PREFIX = "virt-disktune-test-"
GROUP_PARENTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/blkio")
_TOOLS = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
_tops = {}


@contextmanager
def _locked(path, how=fcntl.LOCK_EX):
    """BlockingIOError with LOCK_NB, where somebody else has the lock."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def _top(parent):
    """This program's own in this directory: its path, with a counter of those below."""
    if parent not in _tops:
        # No sweep comes between the two.
        with _locked(parent):
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            # Open until the program ends.
            fcntl.flock(os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL), fcntl.LOCK_EX)
        os.chmod(path, 0o755)
        atexit.register(shutil.rmtree, path, ignore_errors=True)
        _tops[parent] = path, count(1)
    return _tops[parent]


def scratch(name="dir", parent=None):
    """A new directory with this last component, in one of its own, removed when the test program ends."""
    top, numbers = _top(str(parent or os.getcwd()))
    path = top / str(next(numbers)) / name
    path.parent.mkdir()
    os.chmod(path.parent, 0o755)
    path.mkdir()
    return path


def group_prefix():
    """What the name of a control group begins with, so that it is known whose it is."""
    return f"{GROUP_PREFIX}{_top(os.getcwd())[0].name}-"


# --- What killed ones have left -------------------------------------------------------------------

def _mounts_below(path):
    """Those that were mounted last come first."""
    points = (line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    plain = [re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), point) for point in points]
    return [point for point in reversed(plain) if point.startswith(f"{path}/")]


def _call(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=_TOOLS)


def _free_loop_devices(path):
    if not shutil.which("losetup", path=_TOOLS["PATH"]):
        return
    for line in _call("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").stdout.splitlines():
        name, _, file = line.partition(" ")
        if file.strip().startswith(f"{path}/"):
            _call("losetup", "-d", name)


def _bury(path):
    for point in _mounts_below(path):
        _call("umount", "-l", point)
    _free_loop_devices(path)
    for parent in GROUP_PARENTS:
        for group in Path(parent).glob(f"{GROUP_PREFIX}{path.name}-*"):
            try:
                group.rmdir()
            except OSError:
                pass
    # What is still mounted may be anything.
    if not _mounts_below(path):
        shutil.rmtree(path, ignore_errors=True)


def sweep(parent):
    """Takes away what dead test programs have left in this directory."""
    with _locked(parent):
        for path in Path(parent).resolve().glob(f"{PREFIX}*"):
            try:
                with _locked(path / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    _bury(path)
            except OSError:
                # Its program lives, or it is none of ours.
                pass
