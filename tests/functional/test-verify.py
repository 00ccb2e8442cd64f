#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `verify`, and `apply --restart`, to their contract on a real Debian guest: what a change brings is measured
inside the guest with nothing installed there, it is taken back where it brings the contrary, and nothing stays behind."""

import json
import signal
import time

from daemon import alone, virsh
from debian_guest import DebianGuest, data_image, disk_xml
from harness import Run, Skip, assert_done, assert_error, case, equal, main, run, run_json, scratch, wait_until

SYSTEM = ("-c", "qemu:///system")
LITTLE = ("--runs", "3", "--runtime", "300ms", "--size", "16M")
_count = iter(range(1, 100))
_made = {}
# An emulated guest at work may leave its agent's questions unanswered for minutes.
LONG = 600


def story(driver="cache='none'", **more):
    """A running guest with the story's disk as vdb: qcow2, virtio, cache='none', mounted at /data."""
    directory = scratch("images")
    image = data_image(directory / "data.qcow2")
    name = f"debian{next(_count)}"
    guest = DebianGuest(directory, name, disks=disk_xml(image, driver=driver), **more).define().start()
    if more.get("agent", True) and not more.get("blocked"):
        guest.wait_agent().wait_mounted()
    return guest


def the_guest():
    """One for all that leaves a guest as it was."""
    if "guest" not in _made:
        _made["guest"] = story()
    return _made["guest"]


def driver_of(guest, *options):
    xml = virsh("dumpxml", *options, guest.name).stdout
    return next(line.strip() for line in xml.split("data.qcow2")[0].splitlines()[::-1] if "<driver" in line)


def left_in(guest):
    """What of ours lies in the guest, or runs."""
    files = guest.shell("find / -xdev -name '.virt-disktune*' ; find /data -name '.virt-disktune*'")
    opened = guest.shell("ls -l /proc/[0-9]*/fd 2>/dev/null | grep '/data/' || true")
    return files + opened


def measured_after(result):
    """The proof; a Skip where the guest has left its agent's questions unanswered, which is said."""
    if result["proof"] is None or not result["proof"]["comparable"]:
        raise Skip(f"the guest did not answer in time after its restart: {result['left']}")
    return result["proof"]


@case("verify measures inside the guest, on the disk that is named, and leaves nothing there")
def measures():
    guest = the_guest()
    before = guest.shell("df --output=used /data | tail -1")
    result = run_json("verify", *SYSTEM, f"{guest.name}/vdb", "-w", "dd,randread", *LITTLE)
    measured = result["measured"]
    equal((measured["how"], measured["directory"], result["when"]), ("program", "/data", "now"), "how, where and when")
    equal([w["name"] for w in measured["works"]], ["dd", "randread"], "the works")
    for work in measured["works"]:
        equal(len(work["iops"]), 3, "runs")
        assert min(work["iops"]) > 1 and work["latency_us"]["p50"] > 0, work
    equal(left_in(guest), "", "left in the guest")
    equal(guest.shell("df --output=used /data | tail -1"), before, "blocks used in the guest")
    named = run_json("verify", *SYSTEM, f"{guest.name}/vdb", "-w", "randread", *LITTLE, "--path", "/var")
    equal(named["measured"]["directory"], "/var", "the directory that was named")
    assert_error(run("verify", *SYSTEM, f"{guest.name}/vdb", "-w", "dd", *LITTLE[:4], "--size", "2G"),
                 "MiB free, and .* are needed")
    assert_error(run("verify", *SYSTEM, f"{guest.name}/vdb", "--path", "/nowhere", *LITTLE), "/nowhere")


@case("kill -9 of verify in the middle: the guest's file had no name, and the program ends by itself")
def killed():
    guest = the_guest()
    started = Run("verify", *SYSTEM, f"{guest.name}/vdb", "-w", "dd", "--runs", "30", "--runtime", "2s", "--size", "16M")
    wait_until(lambda: "/data/" in guest.shell("ls -l /proc/[0-9]*/fd 2>/dev/null | grep '/data/' || true"), 120,
               "the program is not seen at work in the guest")
    equal(guest.shell("find / -xdev -name '.virt-disktune*'"), "", "the program's own file while it runs")
    started.kill()
    # It has a minute of work left, and a bound of two and a half.
    wait_until(lambda: left_in(guest) == "", 180, "something of ours stays in the guest")


@case("a guest whose agent stops answering: an end in bounded time, one line of error or an observation")
def hung():
    guest = the_guest()
    virsh("suspend", guest.name)
    begin = time.monotonic()
    result = run("verify", *SYSTEM, f"{guest.name}/vdb", *LITTLE)
    assert time.monotonic() - begin < 120
    assert result.status == 2 or "observed" in result.out or "by itself" in result.out, (result.out, result.err)
    virsh("resume", guest.name)


@case("no directory that programs may be run from: the guest's dd, which is said, and its file is removed")
def dd():
    guest = the_guest()
    for place in ("/var/tmp", "/tmp", "/root"):
        guest.shell(f"mount -t tmpfs -o noexec none {place}")
    guest.shell("mount -o remount,noexec /data")
    result = run_json("verify", *SYSTEM, f"{guest.name}/vdb", *LITTLE)
    equal((result["measured"]["how"], len(result["measured"]["works"][0]["iops"])), ("dd", 3), "how, and runs")
    assert "ermission" in result["measured"]["why"], result["measured"]
    equal(left_in(guest), "", "left in the guest")


@case("a domain that is off, a disk that is not there, bad values: one line each")
def refused():
    guest = the_guest()
    assert_error(run("verify", *SYSTEM, f"{guest.name}/vdz"), "has no disk 'vdz'")
    assert_error(run("verify", *SYSTEM, f"{guest.name}/vdb", "--path", "data"), "--path", None)
    guest.shutdown()
    assert_error(run("verify", *SYSTEM, f"{guest.name}/vdb"), "does not run", "start it")
    guest.destroy()


@case("the story: applied, restarted by its agent, measured before and after, and taken back")
def the_story():
    guest = story()
    result = run_json("apply", *SYSTEM, f"{guest.name}/vdb", "--set", "iothread=new", "--yes", "--restart",
                      "--keep-slower", "-w", "dd,randread", *LITTLE, timeout=LONG)
    equal((result["state"], result["effective"], result["back"]), ("effective", True, "its agent answers"),
          f"the result {result}")
    proof = measured_after(result)
    assert proof["how"] == "program" and proof["comparable"] and len(proof["works"]) == 2, proof
    assert 0.02 < proof["ratio"]["low"] <= proof["ratio"]["value"] <= proof["ratio"]["high"] < 50, proof
    assert "iothread='1'" in driver_of(guest), driver_of(guest)
    equal(run_json("status", *SYSTEM, guest.name)["changes"][0]["state"], "effective", "the status")
    guest.wait_mounted()
    equal(left_in(guest), "", "left in the guest")
    again = run_json("verify", *SYSTEM, f"{guest.name}/vdb", "-w", "dd,randread", *LITTLE, timeout=LONG)
    equal((again["when"], again["proof"]["comparable"]), ("after", True), "verify again")
    back = run_json("rollback", *SYSTEM, f"{guest.name}/vdb", "--yes", "--restart")
    equal((back["state"], back["effective"]), ("effective", True), "the rollback")
    equal(driver_of(guest), "<driver name='qemu' type='qcow2' cache='none'/>", "what runs")
    guest.destroy()


@case("a signal while the guest shuts down: it is started again all the same, and the end is an error")
def signalled():
    guest = story()
    started = Run("apply", *SYSTEM, f"{guest.name}/vdb", "--set", "iothread=new", "--yes", "--restart", "--no-verify",
                  "--wait", f"{LONG}s", "--verbose").reach("shutting the guest down", timeout=LONG)
    started.signal(signal.SIGINT)
    started.wait(LONG)
    equal((started.status, started.out), (2, ""), f"exit status and output, with {started.err}")
    assert "is changed, and " in started.err and "was started: interrupted by SIGINT" in started.err, started.err
    equal(virsh("domstate", guest.name).stdout.strip(), "running", "its state")
    assert "iothread='1'" in driver_of(guest), driver_of(guest)
    guest.destroy()


@case("a change that makes it slower is taken back, and the guest runs as before")
def slower():
    # Every write waits until it is on the disk, where before the host's memory was enough. How much that is depends on
    # the host's disk, and whether it is certain on what else is done there.
    guest = story(driver="cache='writeback'")
    run_it = run("apply", *SYSTEM, f"{guest.name}/vdb", "--set", "cache=directsync", "--yes", "--restart", "--json",
                 "-w", "dd", "--runs", "10", "--runtime", "500ms", "--size", "16M", timeout=LONG)
    result = json.loads(run_it.out)
    if run_it.status == 0 and measured_after(result)["ratio"]["high"] >= 1:
        raise Skip(f"it was not slower for certain: {json.dumps(result['proof']['works'])}")
    equal((run_it.status, result["state"]), (1, "rolled-back"), f"exit status and state, {result}")
    assert "slower than before" in result["failure"], result
    assert result["proof"]["ratio"]["high"] < 1, result["proof"]
    equal(driver_of(guest, "--inactive"), "<driver name='qemu' type='qcow2' cache='writeback'/>", "the definition")
    equal(driver_of(guest), "<driver name='qemu' type='qcow2' cache='writeback'/>", "what runs")
    equal(run_json("status", *SYSTEM, guest.name)["changes"], [], "the status")
    guest.destroy()


@case("an agent that runs no programs: what the guest does by itself is observed, and said to prove nothing")
def observed():
    guest = story(blocked=("guest-exec",)).wait_agent()
    result = run_json("verify", *SYSTEM, f"{guest.name}/vdb", *LITTLE)
    equal(result["measured"]["how"], "observed", "how")
    assert "guest-exec" in result["measured"]["why"], result["measured"]
    equal((result["proof"]["comparable"], result["proof"]["ratio"]), (False, None), "the proof")
    text = run("verify", *SYSTEM, f"{guest.name}/vdb", *LITTLE)
    assert_done(text)
    assert "says nothing of the change alone" in text.out, text.out
    guest.destroy()


if __name__ == "__main__":
    alone()
    main()
