#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `tune DOMAIN` to its contract, with domains of a real libvirtd: the probe guest stands for the domain, the
user's image is opened by nobody, and what is left is a plan."""

import json
import os
import platform
import subprocess
from pathlib import Path

from daemon import alone, define, kill_daemon, need_daemon, start_daemon, virsh
from harness import (SMALL, assert_done, assert_error, assert_nothing_left, case, equal, main, new_state, qemu_of, run,
                     run_json, runtime_directory, scratch, Run, Skip)

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
FEW = ("-w", "randread", "--size", "8M", "--rounds", "300", "--time", "40", "--candidates", "qcow2-io_uring")
_made = {}


def disk_xml(image, driver="cache='none'", target="vda", bus="virtio", form="qcow2"):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{form}' {driver}/>"
            f"<source file='{image}'/><target dev='{target}' bus='{bus}'/></disk>")


def domain_xml(name, disks, machine="q35", more="", uuid=UUID):
    return (f"<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
            f"{more}<os><type arch='{platform.machine()}' machine='{machine}'>hvm</type></os>"
            f"<devices>{disks}<memballoon model='none'/></devices></domain>")


def image(directory, name="disk.qcow2", *options):
    path = Path(directory) / name
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *map(str, options), str(path), "64M"], check=True)
    return path


def the_domain():
    """A domain that is defined once, shut off; its image's directory and path."""
    if not _made:
        need_daemon()
        directory = scratch("images")
        _made.update(directory=directory, image=image(directory))
        define(domain_xml("web", disk_xml(_made["image"])), directory)
    return _made["directory"], _made["image"]


def logs_of_probes():
    return list(Path("/var/log/libvirt/qemu").glob("virt-disktune-probe-*"))


def state_of(path):
    found = os.stat(path)
    return found.st_mtime_ns, found.st_atime_ns, found.st_size, Path(path).read_bytes()


# --- Of libvirt -----------------------------------------------------------------------------------

def check_result(result, directory):
    equal(result["domain"], "web", "domain")
    equal(result["disk"], "vda", "disk")
    equal(result["directory"], str(directory), "directory")
    equal(result["guest"]["vcpus"], 1, "vCPUs, which are the domain's")
    current = [c for c in result["candidates"] if c["current"]]
    equal(len(current), 1, "current ones")
    equal(current[0]["disk"]["io"], "threads", "what it is now")
    assert current[0]["vs_current"]["ratio"] == 1, current[0]["vs_current"]
    for candidate in result["candidates"]:
        assert 0.05 < candidate["vs_current"]["ratio"] < 20, candidate
        equal({k: candidate["effective"][k] for k in ("io", "cache", "iothread", "format")},
              {k: candidate["disk"][k] for k in ("io", "cache", "iothread", "format")}, "what QEMU runs")


@case("a domain that is shut off: its disk is mirrored, raced and left as it was")
def shut_off():
    directory, path = the_domain()
    before, definition = state_of(path), virsh("dumpxml", "web").stdout
    check_result(run_json("tune", "web/vda", *SMALL), directory)
    equal(state_of(path)[2:], before[2:], "the image")
    equal(state_of(path)[0], before[0], "the time of the image's last change")
    equal(virsh("dumpxml", "web").stdout, definition, "the definition")
    equal(virsh("list", "--name").stdout.strip(), "", "domains that run")
    assert_nothing_left(directory)


@case("a domain that runs goes on running, and nobody opens its image")
def running():
    directory, path = the_domain()
    virsh("start", "web")
    try:
        number = virsh("domid", "web").stdout.strip()
        # By its number, as virsh has it; the one disk needs no target.
        going = Run("tune", number, *SMALL, "--json", "--verbose").reach("measuring")
        probe = qemu_of(going)
        opened = {os.readlink(fd) for fd in Path(f"/proc/{probe}/fd").iterdir() if fd.exists()}
        assert str(path) not in opened, "the probe guest has the user's image open"
        # What the daemon gives to QEMU's user is a copy, and its log is that of this run alone.
        words = Path(f"/proc/{probe}/cmdline").read_bytes().split(b"\0")
        kernel = Path(os.fsdecode(words[words.index(b"-kernel") + 1]))
        equal(kernel.parent.parent, runtime_directory(), "where the kernel's directory lies")
        assert logs_of_probes(), "the daemon has no log of the probe guest: where is it?"
        assert_done(going.wait())
        check_result(json.loads(going.out), directory)
        equal(virsh("domid", "web").stdout.strip(), number, "the running domain")
        equal(logs_of_probes(), [], "logs of probe guests")
    finally:
        virsh("destroy", "web")
    assert_nothing_left(directory)


@case("a daemon that goes away in the middle is the error, not the guest that goes with it")
def lost():
    directory, _ = the_domain()
    going = Run("tune", "web", "-w", "dd", "--exhaustive", "--size", "8M", "--time", "300", "--verbose").reach("measuring")
    try:
        kill_daemon()
        assert_error(going.wait(60), "libvirt's daemon went away", hint="run again")
    finally:
        start_daemon()
    assert_nothing_left(directory)


@case("the probe guest has the domain's machine type, and images like its own")
def mirrored():
    the_domain()
    directory = scratch("chain")
    base = image(directory, "base.qcow2")
    middle = image(directory, "middle.qcow2", "-b", base, "-F", "qcow2")
    top = image(directory, "top.qcow2", "-o", "cluster_size=128k", "-b", middle, "-F", "qcow2")
    # An old machine type gives a disk one queue, whatever the vCPUs are, unless as many as these are asked for.
    define(domain_xml("chained", disk_xml(top, driver="cache='none' queues='2'"), machine="pc-i440fx-4.2", uuid=UUID.replace("4d", "5d")), directory)
    going = Run("tune", "chained", *SMALL, "-w", "randread", "--vcpus", "2", "--json", "--verbose", "--candidates", "current")
    going.reach("measuring")
    line = Path(f"/proc/{qemu_of(going)}/cmdline").read_bytes()
    assert b"pc-i440fx" in line, line
    scratches = list(directory.glob(".virt-disktune-*/disk-*.qcow2"))
    assert scratches, list(directory.rglob("*"))
    told = json.loads(subprocess.run(["qemu-img", "info", "-U", "--backing-chain", "--output=json", str(scratches[0])],
                                     check=True, capture_output=True).stdout)
    equal(len(told), 3, "images of the chain")
    equal(told[0]["cluster-size"], 131072, "cluster size")
    assert_done(going.wait())
    current = json.loads(going.out)["candidates"][0]
    equal((current["disk"]["queues"], current["effective"]["queues"]), (2, 2), f"queues of {current}")
    virsh("undefine", "chained")
    assert_nothing_left(directory)


@case("a plan has the domain, the hash of the disk and the change; it is there after the run, and names its place")
def plans():
    directory, _ = the_domain()
    state = new_state()
    asked = directory / "asked.json"
    # threads is slower for reads of depth 32 nearly everywhere; where it is not there is no plan, and no error.
    written = 0
    for where in ((), ("--plan", asked)):
        result = run_json("tune", "web", *FEW, *where, env={"VIRT_DISKTUNE_STATE_DIR": str(state)})
        if result["plan"] is None:
            equal(result["recommended"], "current", "what is recommended without a plan")
            continue
        written += 1
        plan = json.loads(Path(result["plan"]).read_text())
        equal(plan["domain"], {"name": "web", "uuid": UUID}, "domain of the plan")
        equal(plan["target"], "vda", "target of the plan")
        equal(len(plan["disk_sha256"]), 64, "length of the hash")
        equal(plan["set"], {"io": "io_uring"}, "what is to be changed")
        equal(plan["needs"], ["restart"], "what it needs")
        assert any(c["current"] for c in plan["evidence"]["candidates"]), plan["evidence"]
        place = asked if where else state / "plans" / f"{UUID}-vda.json"
        equal(result["plan"], str(place), "place of the plan")
    if not written:
        raise Skip("nothing was faster than what the disk has")


@case("a plan that cannot be written is an error, and the result is printed all the same")
def no_place_for_a_plan():
    directory, _ = the_domain()
    result = run("tune", "web", *FEW, "--plan", "/proc/no/plan.json")
    assert_nothing_left(directory)
    if result.status == 0:
        raise Skip("nothing was faster than what the disk has, and there was no plan to be written")
    equal(result.status, 2, "exit status")
    assert "the plan: " in result.err and "qcow2-io_uring" in result.out, (result.err, result.out)


# --- Of files -------------------------------------------------------------------------------------

@case("a domain of a file needs no libvirt daemon")
def of_a_file():
    directory = scratch("file")
    path = directory / "domain.xml"
    path.write_text(domain_xml("from-file", disk_xml(image(directory))))
    result = run_json("tune", "--xml", path, "vda", *SMALL, "--candidates", "current")
    equal(result["domain"], "from-file", "domain")
    assert_nothing_left(directory)


@case("what cannot be probed is one line of error")
def refused():
    directory = scratch("refused")
    path = directory / "domain.xml"

    def refuse(disks, pattern, *arguments, hint=None):
        path.write_text(domain_xml("odd", disks))
        assert_error(run("tune", "--xml", path, *arguments), pattern, hint)

    good = image(directory)
    refuse("", "has no disk")
    refuse(disk_xml(good) + disk_xml(good, target="vdb"), "several disks: vda, vdb", hint="--xml FILE as TARGET")
    path.write_text(domain_xml("odd", disk_xml(good) + disk_xml(good, target="vdb")))
    # What the hint says leads on.
    assert_error(run("tune", "--xml", path, "vdb", "--candidates", "none"), "no candidate 'none'")
    refuse(disk_xml(good), "no disk 'vdb'", "vdb", hint="vda")
    refuse(disk_xml("/nowhere"), "cannot open the image /nowhere")
    refuse(disk_xml(good, form="vmdk"), "format vmdk")
    refuse(disk_xml(good, bus="ide", target="hda"), "bus ide", hint="--directory")
    refuse("<disk type='block'><source dev='/dev/null'/><target dev='vda' bus='virtio'/></disk>", "block device",
           hint="--directory")
    path.write_text("<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>")
    assert_error(run("tune", "--xml", path), "document type")
    assert_error(run("tune", "--xml", directory / "none.xml"), "none.xml")
    assert_error(run("tune", "--plan", "x", "--directory", directory), "for the disk of a domain")


@case("a domain that is not there is one line of error, with those that are")
def no_such_domain():
    the_domain()
    assert_error(run("tune", "nobody"), "no domain 'nobody'", "web")
    assert_error(run("tune", "web/vdx"), "no disk 'vdx'", "vda")
    assert_error(run("tune", "-c", "test:///default", "test"), "TEST, not QEMU")


alone()
main()
