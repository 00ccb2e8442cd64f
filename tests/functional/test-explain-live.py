#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `explain --live` to its contract on a real Debian guest that is at work: its requests are those that the guest
counts, a limit that bites is named, histograms are there and gone, and what cannot be told is said."""

import json
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

from daemon import alone, define, kill_daemon, need_daemon, start_daemon, virsh
from debian_guest import DebianGuest, data_image, disk_xml
from harness import PATIENCE, Run, Skip, assert_done, assert_error, case, equal, main, run, run_json, scratch, wait_until
from other_user import GID, UID, open_program

SYSTEM = ("-c", "qemu:///system")
# 100 requests a second or so, for as long as the tests take: writes of 16 KiB that go round the guest's page cache.
LOAD = ("while :; do dd if=/dev/zero of=/data/load bs=16k count=64 oflag=direct conv=notrunc 2>/dev/null; done")
_made = {}


def the_guest():
    """One that works on its vdb."""
    if "guest" not in _made:
        image = data_image(scratch("images") / "data.qcow2")
        guest = DebianGuest(scratch("guest"), "debian", disks=disk_xml(image)).define().start()
        guest.wait_agent()
        # On a busy machine the guest may give its own mount up, or be at it at this moment.
        guest.shell("mount /dev/vdb /data 2>/dev/null; mountpoint -q /data")
        guest.agent("guest-exec", path="/bin/sh", arg=["-c", LOAD])
        _made["guest"] = guest
    return _made["guest"]


def live(guest, *options, target="/vdb", runtime="5s"):
    return run_json("explain", "--live", *SYSTEM, f"{guest.name}{target}", "--runtime", runtime, *options)


def boundary(disk, kind):
    return next(b for b in disk["boundaries"] if b["boundary"] == kind)


def guest_count(guest, name="vdb"):
    """What the guest says that it did: writes, and their bytes."""
    fields = guest.shell(f"cat /sys/block/{name}/stat").split()
    return int(fields[4]), int(fields[6]) * 512


def monitor(guest, command, **arguments):
    answer = virsh("qemu-monitor-command", guest.name, json.dumps({"execute": command, "arguments": arguments}))
    return json.loads(answer.stdout)["return"]


def histograms(guest):
    """The names of all that QEMU keeps."""
    return sorted(key for entry in monitor(guest, "query-blockstats") for key in entry["stats"] if "histogram" in key)


def near(actual, expected, part, what):
    assert abs(actual - expected) <= part * expected, f"{what}: {actual} instead of {expected}"


def between(actual, least, most, part, what):
    assert (1 - part) * least <= actual <= (1 + part) * most, f"{what}: {actual} instead of {least} to {most}"


# --- What it shows --------------------------------------------------------------------------------

@case("the guest's requests are those that it counts itself, at each boundary, and nothing is changed")
def requests():
    guest = the_guest()
    xml = virsh("dumpxml", guest.name).stdout
    result = live(guest, runtime="10s")
    (disk,) = result["disks"]
    inside, qemu = boundary(disk, "guest"), boundary(disk, "qemu")
    print(f"# {json.dumps(disk)}")
    equal((result["domain"], disk["target"], inside["name"]), (guest.name, "vdb", "guest vdb"), "what is shown")
    # An interval ends when all is read again, which may take its time.
    assert 9.9 < result["seconds"] < 60, result["seconds"]
    near(inside["writes"]["per_second"], qemu["writes"]["per_second"], 0.1, "writes, guest and QEMU")
    near(inside["writes"]["mean_bytes"], 16384, 0.5, "size, with the file system's own writes")
    near(qemu["writes"]["mean_bytes"], inside["writes"]["mean_bytes"], 0.02, "size in QEMU")
    assert inside["latency_us"] > qemu["latency_us"] > 0, (inside, qemu)
    layers = {layer["name"]: layer["us"] for layer in disk["layers"]}
    near(sum(layers.values()), disk["request_us"], 1e-6, "the parts together")
    near(layers["guest side"], inside["latency_us"] - qemu["latency_us"], 1e-6, "the guest's side")
    equal(disk["throttles"], [], "limits")
    threads = {group["name"]: group for group in result["threads"]}
    assert threads["vCPUs"]["cpu_percent"] > 1 and threads["main loop"]["last_cpus"], threads
    equal(virsh("dumpxml", guest.name).stdout, xml, "what runs")
    equal(histograms(guest), [], "histograms")


@case("so many requests as the guest has counted are shown, at each boundary, within 10 %")
def counted():
    guest = the_guest()
    write = "dd if=/dev/zero of=/root/counted bs=16k count=500 oflag=direct conv=notrunc"
    begin = time.monotonic()
    guest.shell(f"{write}; sync")
    # So long as it has just taken, and several times that for a machine that has more to do by then.
    seconds = round(20 + 5 * (time.monotonic() - begin))
    around = [guest_count(guest, "vda")]
    going = Run("explain", "--live", *SYSTEM, f"{guest.name}/vda", "--runtime", f"{seconds}s", "--json", "--verbose")
    wait_until(lambda: "observing" in going.err or going.process.poll() is not None, PATIENCE, "it does not observe")
    within = [guest_count(guest, "vda")]
    guest.shell(write)
    within.append(guest_count(guest, "vda"))
    assert going.process.poll() is None, f"the guest was slower than the interval is long: {going.err!r}"
    assert_done(going.wait(seconds + PATIENCE))
    around.append(guest_count(guest, "vda"))
    # The guest's own system writes to this disk when it likes: the interval has all that came while dd ran, and no
    # more than came while the program did.
    (least, most) = ([end - start for start, end in zip(*counts)] for counts in (within, around))
    print(f"# while dd ran {least}, while the program did {most} (writes, bytes)")
    (disk,) = json.loads(going.out)["disks"]
    for kind in ("guest", "qemu"):
        there = boundary(disk, kind)
        count = there["writes"]["per_second"] * there["seconds"]
        between(count, least[0], most[0], 0.1, f"writes, {kind}")
        between(count * there["writes"]["mean_bytes"], least[1], most[1], 0.1, f"bytes, {kind}")


@case("the text: one block a disk, within 80 columns, all disks where none is named")
def text():
    guest = the_guest()
    result = run("explain", "--live", *SYSTEM, guest.name, "--runtime", "2s")
    assert_done(result)
    equal(result.err, "", "standard error")
    print("".join(f"# {line}\n" for line in result.out.splitlines()), end="")
    assert f"{guest.name}/vda" in result.out and f"{guest.name}/vdb" in result.out
    for words in ("guest vdb", "QEMU", "guest side", "vCPUs"):
        assert words in result.out, words
    # Of an image's path nobody knows the length.
    long = [line for line in result.out.splitlines() if len(line) > 80 and not line.startswith(f"{guest.name}/")]
    equal(long, [], "lines of more than 80 columns")


@case("the host's device is shown where the image lies on one, and others who use it are told")
def device():
    guest = the_guest()
    disk = live(guest, runtime="2s")["disks"][0]
    if disk["no_device"]:
        raise Skip(disk["no_device"])
    quiet = boundary(disk, "device")
    ballast = scratch("others") / "ballast"
    # As long as it takes, and never more than a GiB.
    write = 'while :; do dd if=/dev/zero of="$0" bs=1M count=1024 oflag=direct conv=notrunc; done'
    with subprocess.Popen(["sh", "-c", write, ballast], stderr=subprocess.DEVNULL, start_new_session=True) as other:
        try:
            busy = boundary(live(guest, runtime="2s")["disks"][0], "device")
        finally:
            os.killpg(other.pid, signal.SIGKILL)
    assert busy["others"] and busy["bytes_by_asked"] > 1.5, (quiet, busy)


# --- Limits ---------------------------------------------------------------------------------------

@case("a limit that bites is named before anything else, by its name and value")
def throttled():
    guest = the_guest()
    virsh("blkdeviotune", guest.name, "vdb", "--total-iops-sec", "20", "--live")
    try:
        disk = live(guest, runtime="10s")["disks"][0]
        (limit,) = disk["throttles"]
        print(f"# {json.dumps(disk)}")
        assert limit["bites"] and limit["limit"] == "total_iops_sec=20" and 90 <= limit["percent"] <= 115, limit
        result = run("explain", "--live", *SYSTEM, f"{guest.name}/vdb", "--runtime", "5s")
        assert_done(result)
        print("".join(f"# {line}\n" for line in result.out.splitlines()), end="")
        assert result.out.startswith("Throttled: vdb at "), result.out
        assert "total_iops_sec=20" in result.out.splitlines()[0], result.out
        virsh("blkdeviotune", guest.name, "vdb", "--total-iops-sec", "100000", "--live")
        (limit,) = live(guest, runtime="2s")["disks"][0]["throttles"]
        assert not limit["bites"] and limit["percent"] < 50, limit
    finally:
        virsh("blkdeviotune", guest.name, "vdb", "--total-iops-sec", "0", "--live")


# --- Histograms -----------------------------------------------------------------------------------

@case("--histograms: percentiles of QEMU's latencies, and QEMU keeps none afterwards, nor after a signal")
def percentiles():
    guest = the_guest()
    disk = live(guest, "--histograms")["disks"][0]
    writes = disk["percentiles"]["writes"]
    assert writes["requests"] > 10 and 0 < writes["p50_us"] <= writes["p95_us"] <= writes["p99_us"], writes
    near(writes["requests"], boundary(disk, "qemu")["writes"]["per_second"] * 5, 0.25, "requests")
    equal(histograms(guest), [], "histograms afterwards")
    going = Run("explain", "--live", *SYSTEM, f"{guest.name}/vdb", "--runtime", "60s", "--histograms")
    wait_until(lambda: histograms(guest) or going.process.poll() is not None, PATIENCE, "no histogram is seen")
    assert going.process.poll() is None, going.err
    going.signal(signal.SIGTERM)
    going.wait(30)
    assert_error(going, "interrupted by SIGTERM")
    equal(histograms(guest), [], "histograms after a signal")


@case("--histograms: what a kill -9 left the next run takes over; those of a run that lives, or of others, are let alone")
def left():
    guest = the_guest()
    going = Run("explain", "--live", *SYSTEM, f"{guest.name}/vdb", "--runtime", "60s", "--histograms")
    wait_until(lambda: histograms(guest), PATIENCE, "no histogram is seen")
    assert_error(run("explain", "--live", *SYSTEM, f"{guest.name}/vdb", "--runtime", "2s", "--histograms"),
                 f"another run, process {going.pid}")
    assert histograms(guest) and going.process.poll() is None, "the other run's"
    going.kill()
    assert histograms(guest), "kill -9 leaves it"
    assert live(guest, "--histograms", runtime="2s")["disks"][0]["percentiles"]["writes"]["requests"] > 0
    equal(histograms(guest), [], "histograms afterwards")
    alias = next(e["qdev"] for e in monitor(guest, "query-blockstats") if "virtio-disk1" in e.get("qdev", ""))
    monitor(guest, "block-latency-histogram-set", id=alias, boundaries=[1000, 2000])
    assert_error(run("explain", "--live", *SYSTEM, f"{guest.name}/vdb", "--runtime", "2s", "--histograms"),
                 "somebody else has set", "block-latency-histogram-set")
    assert histograms(guest), "somebody else's"
    monitor(guest, "block-latency-histogram-set", id=alias)


# --- What is not there ----------------------------------------------------------------------------

def small_domain(name, more=""):
    """One without a system: nothing in it answers."""
    need_daemon()
    directory = scratch(name)
    image = directory / "a.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "64M"], check=True)
    define(f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
           f"<os><type arch='{platform.machine()}' machine='q35'>hvm</type></os>"
           f"<devices>{disk_xml(image, 'vda')}{more}<memballoon model='none'/></devices></domain>", directory)
    virsh("start", name)


def end(name):
    virsh("destroy", name, check=False)
    virsh("undefine", name, check=False)


@case("no agent, or one that is silent: said, in bounded time, and the rest is shown")
def no_agent():
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    for name, more, words in (("mute", "", "agent"), ("silent", channel, "agent")):
        small_domain(name, more)
        try:
            begin = time.monotonic()
            result = run_json("explain", "--live", *SYSTEM, name, "--runtime", "1s")
            assert time.monotonic() - begin < 60
            disk = result["disks"][0]
            assert words in boundary(disk, "guest")["why"], disk
            equal(boundary(disk, "qemu")["reads"]["per_second"] >= 0, True, "QEMU's figures")
            shown = run("explain", "--live", *SYSTEM, name, "--runtime", "1s").out
            print("".join(f"# {line}\n" for line in shown.splitlines()), end="")
            assert "guest: not known: " in shown, shown
        finally:
            end(name)


@case("an agent that may not tell: one line, and the rest is shown")
def blocked():
    guest = DebianGuest(scratch("blocked"), "blocked", blocked=("guest-get-diskstats", "guest-file-open"))
    guest.define().start()
    try:
        guest.wait_agent()
        disk = live(guest, target="/vda", runtime="2s")["disks"][0]
        inside = boundary(disk, "guest")
        assert inside["why"] and "guest-file-open" in inside["why"], inside
        assert boundary(disk, "qemu")["latency_us"] is None or boundary(disk, "qemu")["latency_us"] > 0
    finally:
        guest.destroy()


ONLY_LOOK = """auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0700"
"""


def restart_daemon():
    """Its guests go on."""
    kill_daemon()
    start_daemon()


@case("a user who may only look sees QEMU's figures, and why not the guest's; no histograms")
def read_only():
    guest = the_guest()
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise Skip("there is no setpriv here")
    words = [setpriv, "--reuid", str(UID), "--regid", str(GID), "--clear-groups", open_program(), "explain", "--live",
             *SYSTEM, f"{guest.name}/vdb", "--runtime", "2s"]
    # Without polkit's bus nobody is let in unless the daemon asks nobody.
    settings = Path("/etc/libvirt/libvirtd.conf")
    settings.write_text(ONLY_LOOK)
    restart_daemon()
    try:
        done = subprocess.run([*words, "--json"], capture_output=True, text=True, cwd="/", env={"HOME": "/nowhere"})
        refused_one = subprocess.run([*words, "--histograms"], capture_output=True, text=True, cwd="/",
                                     env={"HOME": "/nowhere"})
    finally:
        settings.unlink()
        restart_daemon()
    equal(done.returncode, 0, f"exit status, with {done.stderr!r}")
    disk = json.loads(done.stdout)["disks"][0]
    assert boundary(disk, "qemu")["writes"]["per_second"] > 1, disk
    assert "read only" in boundary(disk, "guest")["why"], disk
    assert "may change domains" in boundary(disk, "guest")["hint"], disk
    equal(refused_one.returncode, 2, "exit status with --histograms")
    assert "histograms" in refused_one.stderr and "hint: " in refused_one.stderr, refused_one.stderr
    equal(histograms(guest), [], "histograms")


@case("a domain that is off, a disk or a domain that is not there, bad values: one line each")
def refused():
    guest = the_guest()
    assert_error(run("explain", "--live", *SYSTEM, f"{guest.name}/vdz"), "has no disk 'vdz'")
    assert_error(run("explain", "--live", *SYSTEM, "nobody"), "no domain 'nobody'", guest.name)
    assert_error(run("explain", "--live", *SYSTEM), "which domain")
    assert_error(run("explain", "--live", *SYSTEM, guest.name, "--runtime", "soon"), "--runtime")
    small_domain("off")
    virsh("destroy", "off")
    assert_error(run("explain", "--live", *SYSTEM, "off/vda"), "does not run", "start it")
    end("off")


@case("a domain that ends in the middle, and one that is started anew: one line, soon")
def ends():
    for name, again in (("ends", False), ("anew", True)):
        small_domain(name)
        try:
            going = Run("explain", "--live", *SYSTEM, name, "--runtime", "120s", "--verbose")
            wait_until(lambda: "observing" in going.err or going.process.poll() is not None, PATIENCE,
                       "it does not observe")
            virsh("destroy", name)
            if again:
                virsh("start", name)
            going.wait(30)
            equal(going.status, 2, f"exit status, with {going.err!r}")
            equal(going.out, "", "standard output")
            assert f"{name} ended while it was observed" in going.err and "hint: " in going.err, going.err
        finally:
            end(name)


@case("a QEMU that does not answer: one line after a while, and a signal ends it at once")
def stopped():
    small_domain("stopped")
    qemu = int(Path("/run/libvirt/qemu/stopped.pid").read_text())
    os.kill(qemu, signal.SIGSTOP)
    try:
        patient = Run("explain", "--live", *SYSTEM, "stopped", "--runtime", "1s", "--verbose")
        # Whoever has to wait for another's question is told less by libvirt, without an error.
        wait_until(lambda: "occupied" in virsh("domcontrol", "stopped").stdout, PATIENCE, "it does not ask QEMU")
        going = Run("explain", "--live", *SYSTEM, "stopped", "--runtime", "1s", "--verbose")
        wait_until(lambda: "agent" in going.err or going.process.poll() is not None, PATIENCE, "it asks nobody")
        time.sleep(1)
        going.signal(signal.SIGINT)
        going.wait(30)
        assert going.status == 2 and "interrupted by SIGINT" in going.err, going.err
        patient.wait(120)
        assert patient.status == 2 and "QEMU does not answer" in patient.err and "hint: " in patient.err, patient.err
    finally:
        os.kill(qemu, signal.SIGCONT)
        end("stopped")


@case("a daemon that is killed in the middle: one line, soon")
def lost():
    small_domain("lost")
    going = Run("explain", "--live", *SYSTEM, "lost", "--runtime", "120s", "--verbose")
    try:
        wait_until(lambda: "observing" in going.err or going.process.poll() is not None, PATIENCE,
                   "it does not observe")
        kill_daemon()
        going.wait(30)
        equal(going.status, 2, f"exit status, with {going.err!r}")
        assert "the connection to libvirt was lost" in going.err, going.err
    finally:
        start_daemon()
        end("lost")


@case("the guest is switched off under it")
def destroyed():
    guest = the_guest()
    going = Run("explain", "--live", *SYSTEM, f"{guest.name}/vdb", "--runtime", "120s", "--histograms", "--verbose")
    wait_until(lambda: "observing" in going.err or going.process.poll() is not None, PATIENCE, "it does not observe")
    guest.destroy()
    going.wait(30)
    equal(going.status, 2, f"exit status, with {going.err!r}")
    assert "ended while it was observed" in going.err, going.err


if __name__ == "__main__":
    alone()
    main()
