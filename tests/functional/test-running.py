#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `check` to its contract on domains that run, come and go, with a real libvirtd: what is pending, what is in
effect, what is transient or saved, and what becomes of a check when domains or the daemon go away under it."""

import json
import os
import platform
import re
import signal
import subprocess
import time
from pathlib import Path

from daemon import alone, daemon_pid, define, kill_daemon, need_daemon, start_daemon, virsh
from harness import PATIENCE, Run, Skip, assert_error, case, equal, main, run, scratch

URI = "qemu:///system"


def image(path, form="qcow2"):
    subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path), "64M"], check=True)
    return path


def disk_xml(source, driver="cache='none'", form="qcow2", target="vda"):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{form}' {driver}/>"
            f"<source file='{source}'/><target dev='{target}' bus='virtio'/></disk>")


def domain_xml(name, disks, more=""):
    return (f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>{more}"
            f"<os><type arch='{platform.machine()}' machine='q35'>hvm</type></os>"
            f"<devices>{disks}<memballoon model='none'/></devices></domain>")


def check(*arguments, status=(0, 1)):
    result = run("check", "-c", URI, *arguments, "--json")
    assert result.status in status, f"exit status {result.status}: {result.err!r}"
    equal(result.err, "", "standard error")
    return json.loads(result.out)["domains"]


def found(findings, rule):
    return [f for f in findings if f["rule"] == rule]


def end(name):
    virsh("destroy", name, check=False)
    virsh("undefine", name, "--managed-save", check=False)


# --- What is in effect ----------------------------------------------------------------------------

@case("what was changed and waits for a restart is named, each attribute with its values, and nothing else")
def pending():
    need_daemon()
    directory = scratch("pending")
    first, second = image(directory / "a.qcow2"), image(directory / "b.qcow2")
    define(domain_xml("web", disk_xml(first) + disk_xml(second, target="vdb")), directory)
    virsh("start", "web")
    try:
        for disk in check("web")[0]["disks"]:
            equal(found(disk["findings"], "not-in-effect"), [], f"{disk['target']} as it was started")
        # The UUID keeps it the same domain.
        uuid = f"<uuid>{virsh('domuuid', 'web').stdout.strip()}</uuid><iothreads>1</iothreads>"
        changed = disk_xml(first, "cache='none' io='native' discard='unmap' iothread='1'")
        define(domain_xml("web", changed + disk_xml(second, target="vdb"), uuid), directory)
        disks = check("web")[0]["disks"]
        (finding,) = found(disks[0]["findings"], "not-in-effect")
        equal(finding["summary"], "changed and not in effect: io is 'threads' and will be 'native', discard is "
              "'ignore' and will be 'unmap', iothread is 'none' and will be '1'", "what is pending")
        equal(found(disks[1]["findings"], "not-in-effect"), [], "the other disk")
        # What is advised: it is shut down (here without asking, as nobody listens inside) and started.
        virsh("destroy", "web")
        equal(found(check("web")[0]["disks"][0]["findings"], "not-in-effect"), [], "nothing runs")
        virsh("start", "web")
        equal(found(check("web")[0]["disks"][0]["findings"], "not-in-effect"), [], "after a restart")
    finally:
        end("web")


def open_flags(pid, path):
    """The flags of each descriptor that the process has of the file."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name, info = os.readlink(fd), Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text()
        except OSError:
            continue  # closed meanwhile
        if name == str(path):
            yield int(re.search(r"flags:\s*(\d+)", info)[1], 8)


def qemu_pid(name):
    return int(Path(f"/run/libvirt/qemu/{name}.pid").read_text())


@case("a QEMU that goes around the page cache, as configured, is held against nothing; one that does not is found")
def effective():
    need_daemon()
    directory = scratch("effective")
    path = image(directory / "a.img", "raw")
    define(domain_xml("direct", disk_xml(path, form="raw")), directory)
    virsh("start", "direct")
    try:
        flags = list(open_flags(qemu_pid("direct"), path))
        assert any(f & os.O_DIRECT for f in flags), f"not direct: {flags}"
        equal(found(check("direct")[0]["disks"][0]["findings"], "effective-buffered"), [], "as configured")
        # Changed behind libvirt's back, as a backup's script may do.
        node = json.loads(virsh("qemu-monitor-command", "direct", '{"execute":"query-named-block-nodes"}').stdout)
        options = next(n for n in node["return"] if n["drv"] == "file" and str(path) in n["file"])
        image_node = next(n for n in node["return"] if n["drv"] == "raw" and n["file"] == options["file"])
        command = {"execute": "blockdev-reopen", "arguments": {"options": [
            {"driver": "file", "node-name": options["node-name"], "filename": str(path), "cache": {"direct": False},
             "discard": "unmap", "auto-read-only": True},
            {"driver": "raw", "node-name": image_node["node-name"], "file": options["node-name"],
             "cache": {"direct": False}}]}}
        answer = json.loads(virsh("qemu-monitor-command", "direct", json.dumps(command)).stdout)
        assert "return" in answer, answer
        flags = list(open_flags(qemu_pid("direct"), path))
        assert flags and not any(f & os.O_DIRECT for f in flags), f"still direct: {flags}"
        (finding,) = found(check("direct")[0]["disks"][0]["findings"], "effective-buffered")
        assert f"(process {qemu_pid('direct')})" in finding["summary"], finding
    finally:
        end("direct")


@case("a fall-back that the domain's log has counts until the next start")
def fallback():
    need_daemon()
    directory = scratch("fallback")
    define(domain_xml("fell", disk_xml(image(directory / "a.qcow2"))), directory)
    virsh("start", "fell")
    try:
        equal(found(check("fell")[0]["findings"], "effective-aio"), [], "a QEMU that says nothing")
        with open("/var/log/libvirt/qemu/fell.log", "a") as log:
            log.write("qemu-system-x86_64: -blockdev {}: warning: Unable to use io_uring: Operation not permitted, "
                      "falling back to thread pool\n")
        (finding,) = found(check("fell")[0]["findings"], "effective-aio")
        assert "Operation not permitted" in finding["summary"], finding
        virsh("destroy", "fell")
        virsh("start", "fell")
        equal(found(check("fell")[0]["findings"], "effective-aio"), [], "another QEMU")
    finally:
        end("fell")


@case("a transient domain is what runs: nothing is pending, and no advice is to define it")
def transient():
    need_daemon()
    directory = scratch("transient")
    xml = directory / "t.xml"
    xml.write_text(domain_xml("passing", disk_xml(image(directory / "a.qcow2"))))
    virsh("create", xml)
    try:
        (domain,) = check("passing")
        equal(found(domain["disks"][0]["findings"], "not-in-effect"), [], "pending")
        assert found(domain["disks"][0]["findings"], "io-threads"), domain
        assert "virsh define" not in json.dumps(domain) and "virsh edit" not in json.dumps(domain), domain
        equal([d["name"] for d in check("--all")], ["passing"], "all of them")
    finally:
        end("passing")


@case("a domain with a managed save is checked as one that does not run, and stays saved")
def saved():
    need_daemon()
    directory = scratch("saved")
    define(domain_xml("asleep", disk_xml(image(directory / "a.qcow2"))), directory)
    virsh("start", "asleep")
    try:
        virsh("managedsave", "asleep")
        save = Path("/var/lib/libvirt/qemu/save/asleep.save")
        before = save.stat().st_mtime_ns, save.stat().st_size
        for options in ((), ("--guest",)):
            (domain,) = check("asleep", *options)
            assert found(domain["disks"][0]["findings"], "io-threads"), domain
            equal([f for f in domain["findings"] if f["rule"].startswith("guest-")], [], "a guest that does not run")
        equal((save.stat().st_mtime_ns, save.stat().st_size), before, "what is saved")
        equal(virsh("domstate", "asleep").stdout.strip(), "shut off", "state")
    finally:
        end("asleep")


# --- What goes away under it ----------------------------------------------------------------------

def wait_until_reading(going):
    """Until threads read domains. It may be through soon, so that this does not sleep."""
    end = time.monotonic() + PATIENCE
    while len(os.listdir(f"/proc/{going.pid}/task")) < 4:
        assert going.process.poll() is None, f"it ended: {going.err!r}"
        assert time.monotonic() < end, "it does not read"


MANY = 150


def for_many(command, numbers=range(MANY), check=True):
    """One virsh for all: each would take its time, on a busy machine."""
    virsh("; ".join(command.format(number) for number in numbers), check=check)


def many(directory):
    for number in range(MANY):
        text = domain_xml(f"vm{number:03}", disk_xml(image(directory / f"{number}.qcow2")))
        (directory / f"{number}.xml").write_text(text)
    for_many(f"define {directory}/{{}}.xml")


def end_many(numbers=range(MANY)):
    for_many("destroy vm{0:03}; undefine vm{0:03}", numbers, check=False)


@case("domains that vanish under a check are a finding each, or are left out, and the others are as ever")
def vanishing():
    need_daemon()
    directory = scratch("many")
    many(directory)
    virsh("start", "vm149")
    calm = check("--all")
    equal(len(calm), MANY, "domains")
    last = range(100, MANY)
    gone = {f"vm{number:03}" for number in last}
    try:
        going = Run("check", "-c", URI, "--all", "--json")
        # Held still while they vanish, after it has the list and before it is through.
        wait_until_reading(going)
        going.signal(signal.SIGSTOP)
        end_many(last)
        going.signal(signal.SIGCONT)
        going.wait()
        assert going.status in (0, 1), f"exit status {going.status}: {going.err!r}"
        domains = {d["name"]: d for d in json.loads(going.out)["domains"]}
        for domain in calm:
            name = domain["name"]
            if name in gone:
                rules = [f["rule"] for f in domains.get(name, {"findings": []})["findings"]]
                assert rules in ([], ["unreadable"]) or found(domains[name]["findings"], "tcg"), (name, rules)
            else:
                equal(domains[name], domain, name)
        if "unreadable" not in going.out:
            raise Skip("it was through before they vanished")
    finally:
        end_many()


@case("a daemon that hangs when it is connected to keeps nobody from ending by a signal")
def hanging():
    need_daemon()
    os.kill(daemon_pid(), signal.SIGSTOP)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            going = Run("check", "-c", URI, "--all").connected()
            going.signal(number)
            assert_error(going.wait(20), f"interrupted by {number.name}")
    finally:
        os.kill(daemon_pid(), signal.SIGCONT)


@case("a daemon that is killed under a check is one error, with a hint, and exit status 2")
def killed():
    need_daemon()
    directory = scratch("killed")
    define(domain_xml("web", disk_xml(image(directory / "a.qcow2"))), directory)
    try:
        # Stopped, it holds the check in its first question; killed, it never answers.
        os.kill(daemon_pid(), signal.SIGSTOP)
        going = Run("check", "-c", URI, "web").connected()
        kill_daemon()
        assert_error(going.wait(), "libvirt", ".")
        assert_error(run("check", "-c", URI, "web"), "cannot connect to libvirt", "is the daemon running")
    finally:
        start_daemon()
        end("web")


def lose_in_the_middle(lose):
    """Has many domains read, and loses the daemon meanwhile."""
    many(scratch("lost-many"))
    going = Run("check", "-c", URI, "--all", "--json")
    wait_until_reading(going)
    lose()
    going.wait()
    if going.status in (0, 1) and len(json.loads(going.out)["domains"]) == MANY and "unreadable" not in going.out:
        raise Skip("it was through before the daemon was lost")
    lines = going.err.splitlines()
    equal(going.status, 2, f"exit status, with {going.err!r}")
    assert len(lines) == 2 and lines[0].startswith("virt-disktune: ") and lines[1].startswith("hint: "), lines
    assert "connection" in lines[0] or "libvirt" in lines[0], lines


@case("a daemon that hangs while many domains are read is taken for dead")
def hanging_in_the_middle():
    need_daemon()
    try:
        lose_in_the_middle(lambda: os.kill(daemon_pid(), signal.SIGSTOP))
    finally:
        os.kill(daemon_pid(), signal.SIGCONT)
        end_many()


@case("a daemon that is killed while many domains are read: no result that looks whole")
def killed_in_the_middle():
    need_daemon()
    try:
        lose_in_the_middle(kill_daemon)
    finally:
        start_daemon()
        end_many()


if __name__ == "__main__":
    alone()
    main()
