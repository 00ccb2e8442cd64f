#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `check --guest` and the agent's calls to a real Debian guest: what is reported of a disk is what the guest does
with it, as asked by hand; what is advised helps; and a guest that says nothing costs one finding."""

import hashlib
import json
import os
import struct
import subprocess
import time

from daemon import alone, virsh
from debian_guest import DebianGuest, data_image, disk_xml
from harness import PATIENCE, case, equal, main, run, scratch, wait_until

URI = "qemu:///system"
TOOL = os.environ.get("AGENT_TOOL", "agent-tool")
# What the agent of RHEL refuses unless it is told otherwise.
AS_RHEL = ("guest-file-open", "guest-file-close", "guest-file-read", "guest-file-write", "guest-file-seek",
           "guest-file-flush", "guest-exec", "guest-exec-status")
# Where a serial number tells by hand which device is which, in no order that libvirt would choose.
SERIALS = {"vdb": "the-serial-of-the-story", "vdd": "A", "vde": "B"}
_made = {}


# --- The guest ------------------------------------------------------------------------------------

def partitioned(path):
    """An allocated raw image, whose first partition begins where old installers had it."""
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 96 << 20)
        file.seek(446)
        for first, count in ((63, 60000), (65536, 100000)):
            file.write(struct.pack("<8B2I", 0, 0, 0, 0, 0x83, 0, 0, 0, first, count))
        file.seek(510)
        file.write(b"\x55\xaa")
    return path


def empty(path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "64M"], check=True)
    return path


def port(index, slot):
    return (f"<controller type='pci' index='{index}' model='pcie-root-port'>"
            f"<address type='pci' domain='0' bus='0' slot='{slot}' function='0'/></controller>")


def behind(index):
    return f"<address type='pci' domain='0' bus='{index}' slot='0' function='0'/>"


def serial(target):
    return f"<serial>{SERIALS[target]}</serial>"


def the_guest():
    """One for most cases, with disks of many kinds; two of one size are behind ports whose order is the other way."""
    if "guest" not in _made:
        directory = scratch("debian")
        story = data_image(directory / "data.qcow2")
        disks = (port(1, 9) + port(2, 8) + port(3, 7) + disk_xml(story, more=serial("vdb"))
                 + disk_xml(partitioned(directory / "parts.img"), "vdc", "cache='none' discard='unmap'", "raw")
                 + disk_xml(empty(directory / "a.qcow2"), "vdd", more=serial("vdd") + behind(1))
                 + disk_xml(empty(directory / "b.qcow2"), "vde", more=serial("vde") + behind(2))
                 + "<controller type='scsi' model='virtio-scsi'/>"
                 + disk_xml(empty(directory / "s.qcow2"), "sda", bus="scsi"))
        _made["guest"] = DebianGuest(directory, "debian", disks).define().start()
    return _made["guest"].wait_agent().wait_mounted()


def check(guest, *more, timeout=PATIENCE):
    result = run("check", "-c", URI, "--guest", guest.name, "--json", *more, timeout=timeout)
    assert result.status in (0, 1), f"exit status {result.status}: {result.err!r}"
    equal(result.err, "", "standard error")
    return json.loads(result.out)["domains"][0]


def of_guest(findings):
    return {f["rule"]: f for f in findings if f["rule"].startswith("guest-")}


def findings_of(domain, target):
    return of_guest(next(disk for disk in domain["disks"] if disk["target"] == target)["findings"])


def device_of(guest, target):
    """By its serial number, as the guest's kernel has it: 20 bytes of it."""
    return guest.shell(f"cd /sys/block; grep -lx '{SERIALS[target][:20]}' vd*/serial | cut -d / -f 1")


def mended(guest, target, rule):
    """The finding, whose remedy is then done in the guest, word for word, and helps."""
    found = findings_of(check(guest), target).get(rule)
    assert found, f"{rule} is not found on {target}"
    equal(found["fix"]["kind"], "guest", f"where {rule} is mended")
    guest.shell(found["fix"]["text"])
    assert rule not in findings_of(check(guest), target), f"{rule} is still found after {found['fix']['text']!r}"
    return found


# --- What a guest does with its disks -------------------------------------------------------------

@case("each of the guest's devices is taken for the disk that it is, whatever the buses are numbered")
def devices():
    guest = the_guest()
    names = {target: device_of(guest, target) for target in SERIALS}
    assert names["vdd"] > names["vde"], f"the guest found its disks in libvirt's order, which says little: {names}"
    names.update(vda=guest.shell("basename $(findmnt -no SOURCE /)"), vdc="vdc", sda="sda")
    # One at a time is set apart, so that a finding on it can only be its own.
    guest.shell("for q in /sys/block/[sv]d*/queue/scheduler; do echo none > $q; done")
    domain = check(guest)
    equal(of_guest(domain["findings"]), {}, "findings on the guest as a whole")
    for target in names:
        assert "guest-scheduler" not in findings_of(domain, target), target
    for target, name in names.items():
        guest.shell(f"echo mq-deadline > /sys/block/{name}/queue/scheduler")
        domain = check(guest)
        for other in names:
            equal("guest-scheduler" in findings_of(domain, other), other == target, f"{other}, with {target} set apart")
        assert f"of {name} " in findings_of(domain, target)["guest-scheduler"]["summary"], domain
        guest.shell(f"echo none > /sys/block/{name}/queue/scheduler")


@case("a scheduler that is advised against, a cache that is turned off, a kernel that flushes no more")
def queues():
    guest = the_guest()
    name = device_of(guest, "vdb")
    guest.shell(f"echo mq-deadline > /sys/block/{name}/queue/scheduler")
    mended(guest, "vdb", "guest-scheduler")
    equal(guest.shell(f"cat /sys/block/{name}/queue/scheduler"), "[none] mq-deadline", "the scheduler")
    guest.shell(f"udevadm test /sys/block/{name} 2>&1 | grep -q 'queue/scheduler.*none'")

    guest.shell(f"echo 'write through' > /sys/block/{name}/cache_type")
    mended(guest, "vdb", "guest-cache-through")
    equal(guest.shell(f"cat /sys/block/{name}/cache_type /sys/block/{name}/queue/write_cache"),
          "write back\nwrite back", "the caches")

    guest.shell(f"echo 'write through' > /sys/block/{name}/queue/write_cache")
    equal(mended(guest, "vdb", "guest-flush-off")["severity"], "error", "severity")
    equal(guest.shell(f"cat /sys/block/{name}/queue/write_cache"), "write back", "what the kernel takes it for")


@case("what a SCSI disk is taken for is known as well")
def scsi():
    guest = the_guest()
    guest.shell("echo 'temporary write through' > /sys/block/sda/device/scsi_disk/0:0:0:0/cache_type")
    mended(guest, "sda", "guest-cache-through")
    equal(guest.shell("cat /sys/block/sda/queue/write_cache"), "write back", "what the kernel takes it for")


@case("file systems: barriers that are off, discard from an image that is allocated")
def mounts():
    guest = the_guest()
    guest.shell("mount -o remount,nobarrier /data")
    found = mended(guest, "vdb", "guest-nobarrier")
    assert found["summary"].startswith("/data (ext4) "), found
    assert "nobarrier" not in guest.shell("findmnt -no OPTIONS /data")
    guest.shell("mkdir -p /parts && mke2fs -q -F -t ext4 -E nodiscard /dev/vdc2 && mount -o discard /dev/vdc2 /parts")
    found = findings_of(check(guest), "vdc")
    assert found["guest-mount-discard"]["summary"].startswith("/parts: "), found
    guest.shell("mount -o remount,nodiscard /parts")
    assert "guest-mount-discard" not in findings_of(check(guest), "vdc"), "it discards no more"


@case("discard that the guest is told not to use; partitions that begin inside of a block")
def discards():
    guest = the_guest()
    domain = check(guest)
    assert "guest-discard" not in findings_of(domain, "vdc"), domain
    equal(guest.shell("cat /sys/block/vdc/vdc1/start"), "63", "where the partition begins")
    found = findings_of(domain, "vdc")["guest-misaligned"]
    equal((found["severity"], found["summary"]), ("warning", "not at a multiple of 4 KiB: vdc1 at sector 63"),
          "alignment")
    guest.shell("echo 0 > /sys/block/vdc/queue/discard_max_bytes")
    mended(guest, "vdc", "guest-discard")
    equal(guest.shell("cat /sys/block/vdc/queue/discard_max_bytes"),
          guest.shell("cat /sys/block/vdc/queue/discard_max_hw_bytes"), "what is discarded at most")


@case("LVM between a disk and what is mounted")
def layers():
    guest = the_guest()
    guest.shell("pvcreate -q /dev/sda && vgcreate -q story /dev/sda && lvcreate -q -n log-one -L 32M story && "
                "mke2fs -q -t ext4 /dev/story/log-one && mkdir -p /log && mount -o nobarrier /dev/story/log-one /log")
    found = findings_of(check(guest), "sda")
    assert found["guest-layers"]["summary"].endswith(": LVM story-log--one"), found
    assert found["guest-nobarrier"]["summary"].startswith("/log (ext4) "), found
    guest.shell("umount /log")


@case("memory in swap on a disk, in a file of its file system")
def swapping():
    guest = the_guest()
    guest.shell("fallocate -l 128M /data/swap && chmod 600 /data/swap && mkswap -q /data/swap && swapon /data/swap && "
                "systemd-run -q -u eater -p MemoryMax=16M -p MemorySwapMax=infinity "
                "sh -c 'x=$(head -c 40000000 /dev/zero | tr \"\\0\" a); sleep 1000'")
    try:
        wait_until(lambda: int(guest.shell("tail -1 /proc/swaps").split()[3]) > 18 << 10, PATIENCE,
                   "nothing is swapped")
        domain = check(guest)
        assert " on vdb" in findings_of(domain, "vdb")["guest-swap"]["summary"], domain
        assert not any("guest-swap" in findings_of(domain, other) for other in ("vda", "vdc", "sda")), domain
    finally:
        guest.shell("systemctl stop eater; swapoff -a")


# --- Its agent ------------------------------------------------------------------------------------

def tool(guest, *words, data=b"", status=0):
    done = subprocess.run([TOOL, guest.name, *map(str, words)], input=data, capture_output=True, timeout=PATIENCE)
    equal(done.returncode, status, f"exit status of {words}, with standard error {done.stderr[:300]!r}")
    return done.stdout, done.stderr.decode(errors="replace")


@case("files of the guest are written and read to the byte, and what cannot be is an error")
def files():
    guest = the_guest()
    data = os.urandom(1 << 20) + bytes(range(256))
    tool(guest, "write", "/data/any bytes", data=data)
    equal(guest.shell("sha256sum < '/data/any bytes'").split()[0], hashlib.sha256(data).hexdigest(), "what was written")
    equal(tool(guest, "read", "/data/any bytes", 2 << 20)[0], data, "what is read")
    tool(guest, "write", "/data/any bytes", data=b"short")
    equal(tool(guest, "read", "/data/any bytes", 5)[0], b"short", "a file that was longer before")
    for words, why in ((("read", "/data/any bytes", 4), "is longer than 4 bytes"),
                       (("read", "/nowhere", 9), "No such file"), (("write", "/nowhere/x"), "No such file"),
                       (("read", "/dev/zero", 1 << 20), "is longer than")):
        assert why in tool(guest, *words, status=99)[1], words
    equal(guest.shell("ls -l /proc/$(pidof qemu-ga)/fd | grep -cE 'data/|/dev/zero' || true"), "0", "files left open")


@case("programs in the guest: words, input, output, status, signals")
def programs():
    guest = the_guest()
    script = 'printf "%s|" "$@"; cat; echo oh >&2; exit 3'
    out, err = tool(guest, "exec", 60, "/bin/sh", "-c", script, "x", "a b", "$HOME", "", "ü", data=b"in\0put",
                    status=3)
    equal((out, err), ("a b|$HOME||ü|".encode() + b"in\0put", "oh\n"), "output")
    equal(tool(guest, "exec", 60, "sh", "-c", "kill -9 $$", status=137)[0], b"", "ended by a signal")
    assert "Failed to execute" in tool(guest, "exec", 9, "/nowhere", status=99)[1]
    block = os.urandom(64 << 10)
    equal(tool(guest, "exec", 60, "cat", data=block)[0], block, "64 KiB through it")
    assert "more than 65536 bytes of input" in tool(guest, "exec", 60, "cat", data=block + b"x", status=99)[1]
    assert "has not ended within 1 seconds" in tool(guest, "exec", 1, "sleep", 20, status=99)[1]
    equal(tool(guest, "exec", 60, "true")[0], b"", "the next one")


@case("output that no answer holds is an error, and the agent goes on")
def large_output():
    guest = the_guest()
    equal(len(tool(guest, "exec", 60, "head", "-c", 1 << 20, "/dev/zero")[0]), 1 << 20, "what does go through")
    # 7 and more would cut the agent off: domain/agent.h.
    for megabytes in (4, 6):
        _, err = tool(guest, "exec", 60, "head", "-c", megabytes << 20, "/dev/zero", status=99)
        assert err.startswith("head in the guest: ") and err.count("\n") == 1, err
        guest.wait_agent()
        equal(tool(guest, "exec", 60, "echo", "on")[0], b"on\n", "the next one")


# --- Guests that say nothing ----------------------------------------------------------------------

def assert_silent(domain, why, fix=""):
    """One finding on the guest, none on what it does with its disks, and those that the host tells."""
    found = of_guest(domain["findings"])
    equal(list(found), ["guest-silent"], "findings on the guest")
    assert why in found["guest-silent"]["summary"], found
    assert fix in json.dumps(found["guest-silent"]["fix"]), found
    for disk in domain["disks"]:
        equal(of_guest(disk["findings"]), {}, f"what the guest does with {disk['target']}")
    story = next(disk for disk in domain["disks"] if disk["target"] == "vdb")
    assert "io-threads" in [f["rule"] for f in story["findings"]], story


@case("a guest that is paused is not asked; one that goes on is")
def paused():
    guest = the_guest()
    virsh("suspend", guest.name)
    try:
        assert_silent(check(guest), "is paused")
    finally:
        virsh("resume", guest.name)
    equal(of_guest(check(guest)["findings"]), {}, "once it goes on")


@case("an agent that hangs is waited for once, and answers again when it goes on")
def hung():
    guest = the_guest()
    guest.agent("guest-exec", path="/bin/sh", arg=["-c", "sleep 1; kill -STOP $(pidof qemu-ga); sleep 40; "
                                                         "kill -CONT $(pidof qemu-ga)"])
    wait_until(lambda: guest.ping(1) != 0, PATIENCE, "the agent does not stop")
    assert_silent(check(guest), "", "qemu-guest-agent")
    guest.wait_agent()
    equal(of_guest(check(guest)["findings"]), {}, "once it goes on")


@case("an agent that stops between two answers: one finding, and not another wait for each question")
def stopped():
    guest = the_guest()
    guest.shell("for q in /sys/block/[sv]d*/queue/scheduler; do echo mq-deadline > $q; done")
    # It opens the queues' files one after the other: at the first one it is stopped for a while.
    guest.shell("systemd-run -q -u stopper sh -c "
                "'while ! ls -l /proc/$(pidof qemu-ga)/fd | grep -q \"queue/\"; do :; done; "
                "kill -STOP $(pidof qemu-ga); sleep 30; kill -CONT $(pidof qemu-ga)'")
    # One that is quick may get past it.
    found = wait_until(lambda: of_guest(check(guest)["findings"]), PATIENCE, "the agent is never stopped")
    guest.wait_agent()
    equal(list(found), ["guest-silent"], "findings on the guest")


@case("an agent as RHEL has it, which opens no file and runs no program: the note says so, the rest holds")
def closed():
    directory = scratch("closed")
    guest = DebianGuest(directory, "closed", disk_xml(data_image(directory / "data.qcow2")), blocked=AS_RHEL)
    guest.define().start().wait_agent().wait_mounted()
    try:
        enabled = {c["name"] for c in guest.agent("guest-info")["supported_commands"] if c["enabled"]}
        equal(enabled & set(AS_RHEL), set(), "what the agent allows")
        domain = check(guest)
        found = of_guest(domain["findings"])
        equal(list(found), ["guest-unread"], "findings on the guest")
        assert found["guest-unread"]["summary"].startswith("guest-file-open is disabled"), found
        assert "guest-file-read" in found["guest-unread"]["fix"]["text"], found
        assert "io-threads" in [f["rule"] for f in domain["disks"][1]["findings"]], domain
        for words in (("read", "/etc/hostname", 99), ("write", "/x"), ("exec", 9, "true")):
            assert "is disabled in the guest's agent, or not known there" in tool(guest, *words, status=99)[1], words
    finally:
        guest.destroy()


@case("a guest without an agent, and a domain without a way to one: one finding")
def without():
    directory = scratch("without")
    story = disk_xml(data_image(directory / "data.qcow2"))
    guest = DebianGuest(directory, "without", story, agent=False).define().start().wait_boot()
    try:
        assert_silent(check(guest), "", "qemu-guest-agent")
        guest.shutdown()
        found = check(guest)
        equal(of_guest(found["findings"]), {}, "a guest that does not run")
    finally:
        guest.destroy()
    lone = DebianGuest(directory, "lone", story, channel=False).define().start()
    try:
        assert_silent(check(lone), "agent", "org.qemu.guest_agent.0")
    finally:
        lone.destroy()


if __name__ == "__main__":
    alone()
    main()
