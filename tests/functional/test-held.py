#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `check` of a domain that runs to what its QEMU is really held to, with a QEMU of a real libvirtd."""

import atexit
import json
import os
import platform
import re
import subprocess
from pathlib import Path

from daemon import alone, define, need_daemon, virsh
from harness import Skip, assert_done, case, equal, main, run, scratch

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
# Beside other runs of this test, in the same hierarchies.
GROUP = f"virt-disktune-test-{os.stat('/proc/self/ns/mnt').st_ino}-{os.getpid()}"
_made = {}


def domain_xml(image):
    return (f"<domain type='qemu'><name>web</name><uuid>{UUID}</uuid><memory unit='MiB'>64</memory><vcpu>2</vcpu>"
            "<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset='0'/></cputune>"
            f"<os><type arch='{platform.machine()}' machine='q35'>hvm</type></os>"
            "<devices><disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' iothread='1'/>"
            f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk><memballoon model='none'/></devices></domain>")


def the_process():
    """The pid of a domain's QEMU, started once; its guest never runs."""
    if not _made:
        need_daemon()
        directory = scratch("images")
        image = directory / "disk.img"
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        define(domain_xml(image), directory)
        virsh("start", "--paused", "web")
        atexit.register(virsh, "destroy", "web", check=False)
        _made["pid"] = int(next(Path("/run/libvirt/qemu").glob("web.pid")).read_text())
        _made["device"] = image.stat().st_dev
    return _made["pid"]


def findings(*where):
    result = run("check", *(where or ("-c", "qemu:///system", "web")), "--json")
    assert result.status in (0, 1), f"exit status {result.status}: {result.err!r}"
    domain, = json.loads(result.out)["domains"]
    equal(domain["running"], True, "whether it runs")
    return {finding["rule"]: finding["summary"] for finding in domain["findings"] + domain["disks"][0]["findings"]}


def captured():
    """The same below a capture."""
    directory = scratch("capture")
    tar = directory / "a.tar"
    assert_done(run("-c", "qemu:///system", "capture", "web", "-o", tar))
    subprocess.run(["tar", "-C", str(directory), "-xf", str(tar)], check=True)
    return findings("--sysroot", directory)


# --- Control groups -------------------------------------------------------------------------------

def hierarchy(controller):
    """Where the controller is to be had, by what is mounted: the path, and whether it is of version 1."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point, (form, _, options) = line.split()[4], line.partition(" - ")[2].split()
        if form == "cgroup" and controller in options.split(","):
            return Path(point), True
        if form == "cgroup2":
            available = Path(point) / "cgroup.subtree_control"
            name = "io" if controller == "blkio" else controller
            if name in available.read_text().split():
                return Path(point), False
    raise Skip(f"no group here can have a limit of {controller}")


def remove(group, parent):
    for pid in (group / "cgroup.procs").read_text().split():
        (parent / "cgroup.procs").write_text(pid)
    group.rmdir()


def move_to_group(controller, limits):
    """Puts QEMU into a new group with the limits {file of version 1 or 2: value}; a function that takes it out."""
    pid = the_process()
    point, is_first = hierarchy(controller)
    group = point / GROUP
    try:
        group.mkdir()
    except OSError as why:
        raise Skip(f"no group can be made here: {why}") from None
    gone = []

    def undo():
        if not gone:
            remove(group, point)
            gone.append(True)
    atexit.register(undo)
    for file, value in limits[is_first].items():
        (group / file).write_text(value)
    (group / "cgroup.procs").write_text(str(pid))
    return undo, is_first


def disk_number():
    """The whole disk that the image is on, as the block layer counts: throttles are of disks."""
    device = f"{os.major(_made['device'])}:{os.minor(_made['device'])}"
    place = Path(f"/sys/dev/block/{device}")
    if not place.exists():
        raise Skip("the image is on no block device")
    place = place.resolve()
    return ((place.parent if (place / "partition").exists() else place) / "dev").read_text().strip()


@case("a limit on the I/O of QEMU's control group is found, and gone with the group")
def io_limit():
    the_process()
    disk = disk_number()
    undo, is_first = move_to_group("blkio", {True: {"blkio.throttle.write_bps_device": f"{disk} 1048576"},
                                             False: {"io.max": f"{disk} wbps=1048576"}})
    summary = findings()["cgroup-io-limit"]
    file = "blkio.throttle.write_bps_device" if is_first else "io.max"
    assert re.search(rf"{re.escape(file)} of /{GROUP}: {disk} .*1048576", summary), summary
    equal(captured().get("cgroup-io-limit"), summary, "what is found below a capture")
    undo()
    assert "cgroup-io-limit" not in findings()


@case("a limit on the CPU time of QEMU's control group is found, and gone with the group")
def cpu_limit():
    undo, is_first = move_to_group("cpu", {True: {"cpu.cfs_quota_us": "50000"}, False: {"cpu.max": "50000 100000"}})
    summary = findings()["cgroup-cpu-limit"]
    file = "cpu.cfs_quota_us" if is_first else "cpu.max"
    assert f"{file} of /{GROUP}: 50000 " in summary, summary
    equal(captured().get("cgroup-cpu-limit"), summary, "what is found below a capture")
    undo()
    assert "cgroup-cpu-limit" not in findings()


# --- CPUs -----------------------------------------------------------------------------------------

def threads():
    """The ids of QEMU's threads by their names."""
    found = {}
    for task in Path(f"/proc/{the_process()}/task").iterdir():
        found.setdefault((task / "comm").read_text().strip(), int(task.name))
    return found


def need_two_cpus():
    if not {0, 1} <= os.sched_getaffinity(0):
        raise Skip("it takes the CPUs 0 and 1 to move threads between them")


@case("an iothread that somebody has moved from where it is pinned to is found, and is not when it is back")
def moved():
    need_two_cpus()
    iothread = threads()["IO iothread1"]
    assert "effective-pin" not in findings()
    os.sched_setaffinity(iothread, {1})
    try:
        for found in (findings(), captured()):
            equal(found.get("effective-pin"),
                  "iothread 1 is pinned to CPU 0, and that of the running QEMU may run on 1", "what is found")
    finally:
        os.sched_setaffinity(iothread, {0})
    assert "effective-pin" not in findings()


@case("vCPUs on the one CPU of the iothread are found, and not when one of them may run elsewhere")
def one_cpu():
    need_two_cpus()
    vcpus = [tid for name, tid in threads().items() if re.match(r"CPU \d+/", name)]
    equal(len(vcpus), 2, "vCPU threads")
    before = [os.sched_getaffinity(tid) for tid in vcpus]
    assert "effective-one-cpu" not in findings()
    try:
        for tid in vcpus:
            os.sched_setaffinity(tid, {0})
        summary = findings()["effective-one-cpu"]
        assert "(iothread 1) may run on CPU 0 alone" in summary, summary
        os.sched_setaffinity(vcpus[1], {0, 1})
        assert "effective-one-cpu" not in findings()
    finally:
        for tid, cpus in zip(vcpus, before):
            os.sched_setaffinity(tid, cpus)


if __name__ == "__main__":
    alone()
    main()
