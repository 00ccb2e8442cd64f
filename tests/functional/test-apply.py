#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `apply`, `rollback` and `status` to their contract, with domains of a real libvirtd: what is meant is changed
and nothing else, it can be taken back, and nothing is lost whatever happens in between."""

import grp
import os
import pty
import pwd
import random
import re
import signal
import time
from pathlib import Path

from changed_domain import SYSTEM, Domain, apply, rollback, status
from daemon import alone, daemon_pid, define, kill_daemon, run_qemu_as, start_daemon, virsh
from harness import (PROGRAM, Run, Skip, assert_done, assert_error, assert_nothing_left, case, equal, main, mounted,
                     run, run_json, scratch, shared_state)
from other_user import open_scratch


# --- Helpers --------------------------------------------------------------------------------------

def records():
    return sorted((shared_state() / "changes").glob("*.json"))


def changed_lines(before, after):
    old, new = before.splitlines(), after.splitlines()
    return [line.strip() for line in old if line not in new], [line.strip() for line in new if line not in old]


# --- The change -----------------------------------------------------------------------------------

@case("a setting of a domain that is off is changed, and nothing else; rollback restores every byte")
def there_and_back():
    domain = Domain()
    before = domain.xml
    result = apply(domain, "io=native")
    equal((result["state"], result["domain"], result["disk"], result["stand_in"]),
          ("defined", domain.name, "vda", "started"), "the result")
    gone, new = changed_lines(before, domain.xml)
    equal(gone, ["<driver name='qemu' type='qcow2' cache='none'/>"], "what is no more")
    equal(new, ["<driver name='qemu' type='qcow2' cache='none' io='native'/>"], "what is new")
    assert "passwd='secret'" in domain.xml and ">kept<" in domain.xml, domain.xml
    equal([row["state"] for row in status(domain)], ["pending"], "the status")
    equal(rollback(domain)["state"], "defined", "the rollback")
    equal(domain.xml, before, "the definition")
    equal(status(domain), [], "the status after")
    assert_nothing_left(domain.directory)
    domain.gone()


@case("an iothread is added in both places, and taken back from both")
def iothread():
    domain = Domain(more="<iothreads>1</iothreads>")
    before = domain.xml
    apply(domain, "iothread=new", "queues=2")
    after = domain.xml
    assert "iothread='1'" in domain.driver and "queues='2'" in domain.driver, domain.driver
    equal(apply(domain, "iothread=1")["state"], "unchanged", "the same again")
    rollback(domain)
    equal(domain.xml, before, "the definition")
    assert after != before
    domain.gone()


@case("two changes are taken back one after the other, and what the user changed meanwhile stays")
def layers():
    domain = Domain()
    apply(domain, "io=native")
    apply(domain, "discard=unmap")
    Path(domain.directory / "x.xml").write_text(domain.xml.replace("<serial>A1<", "<serial>B2<"))
    virsh("define", domain.directory / "x.xml")
    rollback(domain)
    assert "io='native'" in domain.driver and "discard" not in domain.driver, domain.driver
    rollback(domain)
    equal(domain.driver, "<driver name='qemu' type='qcow2' cache='none'/>", "the driver")
    assert "<serial>B2<" in domain.xml
    assert_error(run("rollback", *SYSTEM, domain.disk, "--yes"), "no change of .* to take back", "--list")
    listed = run_json("rollback", "--list", domain.name)["changes"]
    equal([row["state"] for row in listed], ["undone", "undone"], "the list")
    domain.gone()


@case("of two changes of one attribute the first is replaced, until the second one is taken back")
def replaced():
    domain = Domain()
    apply(domain, "io=native")
    apply(domain, "io=threads")
    equal([row["state"] for row in status(domain)], ["replaced", "pending"], "the status")
    rollback(domain)
    equal([row["state"] for row in status(domain)], ["pending"], "the status after")
    domain.gone()


@case("what the user has changed over a change stays as the user has it, and is said")
def overtaken():
    domain = Domain()
    apply(domain, "io=native", "discard=unmap")
    Path(domain.directory / "x.xml").write_text(domain.xml.replace("io='native'", "io='threads'"))
    virsh("define", domain.directory / "x.xml")
    equal([row["state"] for row in status(domain)], ["differs"], "the status")
    result = rollback(domain)
    assert any("io" in why for why in result["left"]), result["left"]
    equal(domain.driver, "<driver name='qemu' type='qcow2' cache='none' io='threads'/>", "the driver")
    domain.gone()


@case("rollback --dry-run of what somebody else has taken back already changes nothing either, its record included")
def dry_rollback():
    domain = Domain()
    apply(domain, "io=native")
    define(domain.xml.replace(" io='native'", ""), domain.directory)
    equal(run_json("rollback", *SYSTEM, domain.disk, "--dry-run")["state"], "unchanged", "the result")
    equal([row["state"] for row in run_json("rollback", "--list", domain.name)["changes"]], ["made"], "the list")
    domain.gone()


@case("a running domain: pending until its cold start, then effective")
def running():
    domain = Domain()
    domain.start()
    equal(apply(domain, "io=native")["state"], "pending", "the result")
    assert "io='native'" not in virsh("dumpxml", domain.name).stdout, "changed what runs"
    equal([row["state"] for row in status(domain)], ["pending"], "the status")
    virsh("destroy", domain.name)
    domain.start()
    equal([row["state"] for row in status(domain)], ["effective"], "the status after a cold start")
    domain.gone()


def cache_element(size):
    return ["<metadata_cache>", f"<max_size unit='bytes'>{size}</max_size>", "</metadata_cache>"]


@case("the size of the cache of a qcow2's tables: set, changed and taken away, as QEMU then runs, and all of it taken back")
def metadata_cache():
    domain = Domain()
    first = domain.xml
    equal(apply(domain, "metadata_cache=1M", "io=native")["state"], "defined", "the result")
    gone, new = changed_lines(first, domain.xml)
    equal(gone, ["<driver name='qemu' type='qcow2' cache='none'/>"], "what is no more")
    equal(new, ["<driver name='qemu' type='qcow2' cache='none' io='native'>", *cache_element(1 << 20), "</driver>"],
          "what is new")
    equal(apply(domain, "metadata_cache=1024k")["state"], "unchanged", "the same again")
    domain.start()
    equal([row["state"] for row in status(domain)], ["effective"], "the status")
    assert "metadata_cache=1048576 io=native" in run("status", *SYSTEM, domain.name).out
    second = domain.xml
    equal(apply(domain, "metadata_cache=4M")["state"], "pending", "another size")
    equal(changed_lines(second, domain.xml), (cache_element(1 << 20)[1:2], cache_element(4 << 20)[1:2]), "the change")
    third = domain.xml
    shown = run("apply", *SYSTEM, domain.disk, "--set", "metadata_cache=", "--dry-run")
    assert re.search("^-.*<metadata_cache>.*^-.*4194304.*^-.*</metadata_cache>", shown.out, re.M | re.S), shown.out
    equal(apply(domain, "metadata_cache=")["state"], "pending", "none")
    equal(domain.driver, "<driver name='qemu' type='qcow2' cache='none' io='native'/>", "the driver without")
    virsh("destroy", domain.name)
    domain.start()
    equal(status(domain)[-1]["state"], "effective", "the status of none")
    for before in (third, second, first):
        rollback(domain)
        equal(domain.xml, before, "the definition after a rollback")
    domain.gone()
    raw = Domain(form="raw")
    assert_error(apply(raw, "metadata_cache=1M", json_too=False), "is for the tables of a qcow2, and the disk is raw")
    raw.gone()


@case("--dry-run shows a unified diff and changes nothing; without a terminal nobody is asked")
def dry_run():
    domain = Domain()
    before = domain.xml
    shown = run("apply", *SYSTEM, domain.disk, "--set", "io=native", "--dry-run")
    assert_done(shown)
    assert re.search(r"^-.*cache='none'/>\n\+.*io='native'/>$", shown.out, re.M), shown.out
    assert_error(run("apply", *SYSTEM, domain.disk, "--set", "io=native"), "no terminal to ask on", "--yes")
    equal(domain.xml, before, "the definition")
    domain.gone()


def dialog(domain, answer):
    """The words on the terminal and the exit status of an apply that is answered so."""
    words = [PROGRAM, "apply", *SYSTEM, domain.disk, "--set", "io=native"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["VIRT_DISKTUNE_STATE_DIR"] = str(shared_state())
        os.execv(PROGRAM, words)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, answer)
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            more = b""
        if not more:
            break
        said += more
    return said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@case("on a terminal it shows the diff and asks: no is no, yes is yes")
def asks():
    domain = Domain()
    before = domain.xml
    for answer in (b"\n", b"n\n", b"\x04"):
        said, code = dialog(domain, answer)
        assert "+" in said and "io='native'" in said and "nothing was changed" in said, said
        equal((code, domain.xml), (1, before), "after no")
    said, code = dialog(domain, b"y\n")
    equal(code, 0, f"exit status, with {said}")
    assert "io='native'" in domain.driver, domain.driver
    domain.gone()


# --- What is refused ------------------------------------------------------------------------------

@case("a transient domain, a saved state: refused, with a reason and a hint")
def refused():
    domain = Domain()
    domain.start()
    virsh("managedsave", domain.name)
    assert_error(apply(domain, "io=native", json_too=False), "saved state", "managedsave-remove")
    virsh("managedsave-remove", domain.name)
    domain.start()
    virsh("undefine", domain.name)
    assert_error(apply(domain, "io=native", json_too=False), "is transient", "--xml")
    virsh("destroy", domain.name)
    assert_error(apply(domain, "io=native", json_too=False), "there is no domain")


@case("a connection to look only: the error says which right is missing")
def rights():
    domain = Domain()
    before = domain.xml
    words = ("apply", domain.disk, "--set", "io=native", "--yes")
    look_only = "qemu+unix:///system?socket=/run/libvirt/libvirt-sock-ro"
    assert_error(run(*words, "-c", look_only), "read.only|forbidden", "look only")
    equal(domain.xml, before, "the definition")
    domain.gone()


def restart_daemon(user, group):
    kill_daemon()
    run_qemu_as(user, group)
    start_daemon()


@case("a QEMU of another user, as every distribution has it, gets at the stand-in's image")
def another_user():
    nobody = pwd.getpwnam("nobody")
    domain = Domain(directory=open_scratch("images"))
    restart_daemon(nobody.pw_name, grp.getgrgid(nobody.pw_gid).gr_name)
    try:
        equal(apply(domain, "io=native")["stand_in"], "started", "the stand-in")
    finally:
        restart_daemon("root", "root")
    assert_nothing_left(domain.directory)
    domain.gone()


@case("a domain that does not start with the change: seen before it is made")
def does_not_start():
    domain = Domain(driver="cache='writeback'", form="raw", directory=mounted(["-t", "ramfs", "none"], scratch("ramfs")))
    before, known = domain.xml, len(records())
    # That file system has no direct I/O, which libvirt does not know and QEMU finds when it opens the image.
    result = apply(domain, "cache=none", json_too=False)
    assert_error(result, "stand-in with this disk does not start: .*O_DIRECT", "nothing was changed")
    equal((domain.xml, len(records())), (before, known), "the definition, and how many records there are")
    assert_nothing_left(domain.directory)
    domain.gone()


@case("a plan is applied to the disk it was made for, and not after that has changed")
def plan():
    # Every write waits until it is on the disk: anything else is faster.
    domain = Domain(driver="cache='writethrough'")
    path = domain.directory / "plan.json"
    # Other tests load the machine meanwhile: a race that they blur makes no plan, and says why.
    for attempt in range(3):
        made = run("tune", *SYSTEM, domain.disk, "-w", "dd", "--size", "8M", "--rounds", "40", "--time", "60",
                   "--candidates", "qcow2-threads", "--plan", path, "--json")
        assert_done(made)
        if path.exists():
            break
    assert path.exists(), f"no plan: {made.out} {made.err}"
    result = run_json("apply", path, "--yes")
    equal(result["state"], "defined", "the result")
    equal(domain.driver, "<driver name='qemu' type='qcow2' cache='none'/>", "the driver")
    assert_error(run("apply", path, "--yes"), "has changed since the plan was made", "tune")
    rollback(domain)
    assert_error(run("apply", "-c", "test:///default", path, "--yes"), "there is no domain")
    domain.gone()


# --- Restarting -----------------------------------------------------------------------------------

@case("--restart does not force: a guest that ignores ACPI goes on running, and the change is pending")
def deaf():
    domain = Domain()
    domain.start()
    result = run("apply", *SYSTEM, domain.disk, "--set", "io=native", "--yes", "--restart", "--wait", "3s")
    assert_error(result, "is not restarted: .*has not shut down within 3 s", "--force")
    equal(virsh("domstate", domain.name).stdout.strip(), "running", "its state")
    equal([row["state"] for row in status(domain)], ["pending"], "the status")
    domain.gone()


@case("--restart --force: switched off, started, and taken back when the guest is not back, which it was not before")
def forced():
    domain = Domain()
    before = domain.xml
    domain.start()
    result = run("apply", *SYSTEM, domain.disk, "--set", "io=native", "--yes", "--restart", "--force", "--wait", "6s",
                 "--no-verify")
    assert_error(result, "is not back after 6 s.*: the change was taken back, and all the same: .*is not back after 6 s")
    equal(domain.xml, before, "the definition")
    assert "io='native'" not in virsh("dumpxml", domain.name).stdout, "what runs"
    domain.gone()


# --- The hostile moment ---------------------------------------------------------------------------

@case("a signal while the stand-in is started: nothing is changed, nothing restarted")
def signalled():
    domain = Domain()
    domain.start()
    before, known = domain.xml, len(records())
    started = Run("apply", *SYSTEM, domain.disk, "--set", "io=native", "--yes", "--restart", "--no-verify", "--verbose")
    started.reach("starting a stand-in")
    # With the daemon held, it is still at that.
    os.kill(daemon_pid(), signal.SIGSTOP)
    late = len(records()) > known
    started.signal(signal.SIGINT)
    os.kill(daemon_pid(), signal.SIGCONT)
    started.wait()
    if late:
        raise Skip("the stand-in was over before the signal came")
    assert_error(started, "interrupted by SIGINT")
    equal((domain.xml, len(records())), (before, known), "the definition, and how many records there are")
    equal(virsh("domstate", domain.name).stdout.strip(), "running", "its state")
    domain.gone()


@case("kill -9 at many instants: the definition is the old one or the new one, and rollback can tell")
def killed():
    domain = Domain()
    before = domain.xml
    apply(domain, "io=native")
    after = domain.xml
    rollback(domain)
    begin = time.monotonic()
    assert_done(apply(domain, "io=native", json_too=False))
    whole = time.monotonic() - begin
    rollback(domain)
    dice, moment = random.Random(1), whole
    seen = {"old": 0, "new": 0}
    # Under the sanitizers all takes longer, and libvirtd, which does what counts, is the same.
    times = 50 if os.environ.get("B_SANITIZE", "none") != "none" else 200
    for number in range(times):
        started = Run("apply", *SYSTEM, domain.disk, "--set", "io=native", "--yes")
        # Anywhere, or about the moment that decides, which is looked for meanwhile.
        time.sleep(dice.uniform(0, whole) if number % 4 == 0 else moment * dice.uniform(0.93, 1.07))
        started.kill()
        # libvirt finishes what it was asked for.
        now = domain.xml
        assert now in (before, after), f"neither old nor new: {now}"
        seen["new" if now == after else "old"] += 1
        moment *= 0.98 if now == after else 1.02 if number % 4 else 1
        if now == after:
            equal([row["state"] for row in status(domain)][-1:], ["pending"], "the status")
        back = run("rollback", *SYSTEM, domain.disk, "--yes")
        if now == after:
            assert_done(back)
        else:
            assert back.status == 0 or "no change" in back.err, back.err
        equal(domain.xml, before, "the definition after the rollback")
    print(f"# of {times} killed, {seen['old']} had changed nothing and {seen['new']} all of it")
    assert min(seen.values()) >= times // 10, seen
    assert_done(apply(domain, "io=native", json_too=False))
    assert_nothing_left(domain.directory)
    domain.gone()


@case("libvirtd gone, a full state directory, a state that may not be written: one line each, nothing changed")
def hostile():
    domain = Domain()
    before = domain.xml
    state = scratch("state")
    (state / "changes").write_text("no directory")
    result = apply(domain, "io=native", json_too=False, env={"VIRT_DISKTUNE_STATE_DIR": str(state)})
    assert_error(result, "changes")
    equal(domain.xml, before, "the definition")
    # There is room for its root alone.
    full = mounted(["-t", "tmpfs", "-o", "nr_inodes=1", "none"], scratch("full"))
    assert_error(apply(domain, "io=native", json_too=False, env={"VIRT_DISKTUNE_STATE_DIR": str(full)}), "No space left")
    equal(domain.xml, before, "the definition")
    assert_error(run("apply", "-c", "qemu+unix:///system?socket=/nowhere", "web/vda", "--set", "io=native", "--yes"),
                 "cannot connect")
    domain.gone()


@case("records that are no JSON, or of a later format, are named and stop nothing")
def damaged():
    domain = Domain()
    apply(domain, "io=native")
    bad = shared_state() / "changes" / "00000000T000000-0-x.json"
    bad.write_text('{"change": 99}')
    listed = run_json("rollback", "--list")
    assert any(str(bad) in note for note in listed["notes"]), listed["notes"]
    rollback(domain)
    bad.unlink()
    domain.gone()


if __name__ == "__main__":
    alone()
    main()
