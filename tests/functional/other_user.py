# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test shares that runs the program as another user: places that this one can reach, with the program in one.
Whoever clones into root's home has the build where nobody else can pass."""

import os
import shutil
import stat
from pathlib import Path

from harness import PROGRAM, Skip, scratch

UID = GID = 65534 if os.geteuid() == 0 else os.geteuid()
_made = {}


def _is_reachable(path):
    """Whether any user can pass down to this directory."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in [path, *path.parents])


def _is_on_disk(path):
    """Not a tmpfs, which `measure` refuses in the name of O_DIRECT."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    points = [(len(m[1]), m[2]) for m in mounts if (str(path) + "/").startswith(m[1].rstrip("/") + "/")]
    # In a chroot the root need not be among the mounts.
    return not points or max(points)[1] != "tmpfs"


def open_scratch(name):
    """A scratch directory on a disk, that any user can reach."""
    parents = [p for p in (Path.cwd(), Path("/var/tmp")) if _is_reachable(p) and _is_on_disk(p)]
    if not parents:
        raise Skip("no directory on a disk that another user can reach")
    return scratch(name, parent=parents[0])


def open_program():
    """A copy of the program that any user can run."""
    if "program" not in _made:
        _made["program"] = shutil.copy(PROGRAM, open_scratch("program") / "virt-disktune")
    return str(_made["program"])
