#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `explain` to the truth: a cost that is put into one layer is found in that layer, and in no other.

What is injected is held against what two explanations say, one with it and one without, or two disks of one
explanation, with their own intervals: no figure is held against a time. The layers of the guest, and QEMU's, have their
injections in test-layers.c."""

import atexit
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import Skip, assert_nothing_left, case, equal, main, mounted, run_json, scratch
from scratch import group_prefix

# A ceiling makes a request take ten milliseconds, less what passes at once.
CEILING = 100
WRITES, READS = (("--rw", rw, "--block", "4k") for rw in ("randwrite", "randread"))


# On a slow device a file system in the guest, whose journal waits for that as well, only blurs what is looked for.
BARE = ("--filesystem", "none")


class Explained:
    def __init__(self, directory, *arguments, **more):
        self.report = run_json("explain", "--slice", "300ms", "--rounds", "6", "--time", "170", *arguments,
                               timeout=300, **more)
        self.request = self.report["guest_request"]
        self.layers = {layer["layer"]: layer for layer in self.report["layers"]}
        self.variants = {variant["name"]: variant for variant in self.report["variants"]}
        assert_nothing_left(directory)


def half(figure):
    return (figure["high_us"] - figure["low_us"]) / 2


def say(name, figure, more=""):
    print(f"# {name:24} {figure['us']:9.1f} ± {half(figure):.1f}{more}")


NOTHING = {"us": 0, "low_us": 0, "high_us": 0}
# Others' work comes and goes: what it blurs is explained anew, unless that has taken so long.
ATTEMPTS_SECONDS = 200


def changes_between(before, after):
    """Of each layer by how much it has grown, and the uncertainty of that."""
    changes = {}
    say("a request before", before.request)
    say("a request after", after.request)
    for layer in {**before.layers, **after.layers}:
        old, new = before.layers.get(layer, NOTHING), after.layers.get(layer, NOTHING)
        say(layer, old, f" -> {new['us']:9.1f} ± {half(new):.1f}")
        changes[layer] = new["us"] - old["us"], half(new) + half(old)
    return changes


def check_found_in(name, explain_both):
    """That what a request takes longer in the second explanation is in this layer, two thirds of it at least, and that
    of no other a third changed, for all that the intervals tell. Returns both."""
    end = time.monotonic() + ATTEMPTS_SECONDS
    while True:
        before, after = explain_both()
        injected = after.request["us"] - before.request["us"]
        changes = changes_between(before, after)
        if max(slack for _, slack in changes.values()) < injected / 3:
            break
        if time.monotonic() > end:
            raise Skip("the machine is too busy: what is uncertain of a layer is more than what can be told")
    wrong = [layer for layer, (grown, slack) in changes.items()
             if (grown + slack < injected * 2 / 3 if layer == name else abs(grown) - slack > injected / 3)]
    assert injected > 1000, f"{injected} µs were injected"
    assert not wrong, f"{injected:.1f} µs are not in {name} alone: {', '.join(wrong)}"
    return before, after


# --- The host -------------------------------------------------------------------------------------

def slow_group(device, what):
    """A control group whose processes get no more reads, or writes, from the block device than the ceiling; what makes
    a new process join it."""
    if os.geteuid() != 0:
        raise Skip("a control group needs root")
    for parent, limit, line in (("/sys/fs/cgroup/blkio", f"blkio.throttle.{what}_iops_device", f"{device} {CEILING}"),
                                ("/sys/fs/cgroup", "io.max", f"{device} {what[0]}iops={CEILING}")):
        try:
            group = Path(tempfile.mkdtemp(prefix=group_prefix(), dir=parent))
            atexit.register(group.rmdir)
            with open(group / limit, "r+") as file:
                file.write(line)
            return {"preexec_fn": lambda: (group / "cgroup.procs").write_text(str(os.getpid()))}
        except OSError as reason:
            why = reason
    raise Skip(f"no control group limits {device} here: {why}")


def loop_ext4():
    """A new ext4 on a loop device that goes round the page cache of the file system below, and that device's number."""
    tools = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if os.geteuid() != 0 or not all(shutil.which(tool, path=tools["PATH"]) for tool in ("mkfs.ext4", "losetup")):
        raise Skip("a loop device needs root, losetup and mkfs.ext4")
    directory = scratch("mounted")
    image = directory.parent / "image"
    with open(image, "wb") as file:
        file.truncate(6 << 30)
    done = subprocess.run(["losetup", "--direct-io=on", "--show", "-f", str(image)], capture_output=True, text=True,
                          env=tools)
    if done.returncode:
        raise Skip(f"no loop device that goes round the page cache: {' '.join(done.stderr.split())}")
    device = done.stdout.strip()
    atexit.register(subprocess.run, ["losetup", "-d", device], env=tools)
    # All of it is made now: what the kernel would do of that later is work of the device.
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "64", "-E", "lazy_itable_init=0,lazy_journal_init=0",
                    device], check=True, env=tools)
    return mounted([device], directory), Path(f"/sys/class/block/{Path(device).name}/dev").read_text().strip()


def disk_below(directory):
    """The number of the whole disk below the file system."""
    number = os.stat(directory).st_dev
    entry = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not entry.exists():
        raise Skip(f"the file system of {directory} is on no single device")
    entry = entry.resolve()
    return ((entry.parent if (entry / "partition").exists() else entry) / "dev").read_text().strip()


def explain_held(directory, device):
    """Without a ceiling on the block device, and with one."""
    group = slow_group(device, "write")
    arguments = (directory, *WRITES, "-d", directory, "--disk", "raw-threads", "--size", "4M")
    return lambda: (Explained(*arguments), Explained(*arguments, **group))


@case("what holds requests back below the block device of the file system is the device's")
def slow_device():
    directory, _ = loop_ext4()
    check_found_in("device", explain_held(directory, disk_below(directory.parent)))


@case("what holds requests back above that is the host's")
def slow_host():
    directory, device = loop_ext4()
    check_found_in("host", explain_held(directory, device))


# --- QEMU -----------------------------------------------------------------------------------------

def domain_xml(image, driver, more):
    return ("<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>"
            f"<os><type arch='{platform.machine()}' machine='q35'>hvm</type></os>"
            "<devices><disk type='file' device='disk'>"
            f"<driver name='qemu' type='qcow2' cache='none'>{driver}</driver><source file='{image}'/>"
            f"<target dev='vda' bus='virtio'/>{more}</disk></devices></domain>")


def image(directory, *options):
    path = directory / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "16M"], check=True)
    return path


def explain_xml(directory, image, work, driver="", more="", **group):
    path = directory / "domain.xml"
    path.write_text(domain_xml(image, driver, more))
    return Explained(directory, *work, "--xml", path, "--size", "16M", **group)


@case("what a domain's <iotune> holds back is a layer of its own, and the others are as without")
def iotune():
    directory = scratch("images")
    disk = image(directory)
    limits = f"<iotune><total_iops_sec>{CEILING}</total_iops_sec><group_name>5</group_name></iotune>"
    before, after = check_found_in("throttle", lambda: (explain_xml(directory, disk, WRITES),
                                                        explain_xml(directory, disk, WRITES, more=limits)))
    assert any("of the group '5'" in warning for warning in after.report["warnings"]), after.report["warnings"]
    assert "throttle" not in before.layers and "no limits" not in before.variants, "limits of a disk without"
    injected = after.layers["throttle"]["us"]
    for name, variant in after.variants.items():
        if "failure" not in variant and name != "no limits":
            say(name, variant["change"])
            change = abs(variant["change"]["us"]) - half(variant["change"])
            assert change < injected / 3, f"{name} is held against the limit"
    assert after.variants["no limits"]["change"]["high_us"] < -injected / 2, "without the limits it is no faster"


# The device is slow for both, and what it takes for the tables is not its own, but their reader's.
@case("what a request waits for tables that do not fit into QEMU's cache is the format's")
def small_cache():
    directory, _ = loop_ext4()
    group = slow_group(disk_below(directory.parent), "read")
    disk = image(directory, "-o", "cluster_size=4096")
    fits = "<metadata_cache><max_size unit='KiB'>256</max_size></metadata_cache>"
    before, after = check_found_in("format", lambda: (
        explain_xml(directory, disk, (*BARE, *READS), fits, **group),
        explain_xml(directory, disk, (*BARE, *READS), fits.replace("256", "24"), **group)))
    assert "metadata_cache for all" not in before.variants, "a cache that holds all is no other"
    change = after.variants["metadata_cache for all"]["change"]
    say("metadata_cache for all", change)
    assert change["high_us"] < -after.layers["format"]["us"] / 2, "with all tables in the cache it is no faster"


# Tables are written when the guest asks for a flush, and the device is slow for that.
@case("what a first write waits for its cluster is the allocation's")
def allocation():
    directory, device = loop_ext4()
    group = slow_group(device, "write")
    arguments = (directory, *BARE, "-w", "commit", "--block", "64k", "-d", directory, "--fresh", "--size", "512M",
                 "--disk")
    whole, _ = check_found_in("allocation", lambda: (Explained(*arguments, "qcow2-prealloc-threads", **group),
                                                     Explained(*arguments, "qcow2-threads", **group)))
    assert "allocation" not in whole.layers, "clusters are allocated that are"


if __name__ == "__main__":
    main()
