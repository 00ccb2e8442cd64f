#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `tune` to this: whatever fails under it, it says so in one line, prints no figure, and leaves nothing behind.

What fails here: tools, the disk, the guest, QEMU, QEMU's honesty, and the run itself, killed at any moment.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from harness import (SMALL, TWO, Run, Skip, alive, assert_done, assert_error, assert_nothing_left, case, claims_of,
                     equal, fill_up, known_accelerator, main, mounted, qemu_of, qemus, run, run_json,
                     runtime_directory, scratch, small_ext4, wait_until)

# The smallest race, and one that measures until it is disturbed.
ONE = ("-w", "dd", "--size", "8M", "--candidates", "raw-threads", "--replicas", "1")
ENDLESS = ("-w", "dd", "--exhaustive", "--size", "8M", *TWO, "--replicas", "1", "--time", "300", "--verbose")

_directory = scratch()


def endless(step, *more, directory=_directory):
    return Run("tune", "-d", directory, *ENDLESS, *more).reach(step)


def check_health(directory=_directory):
    """The run after the fault: it succeeds, and clears what the fault left."""
    report = run_json("tune", "-d", directory, *ONE, "--rounds", "1")
    equal(len(report["candidates"]), 1, "candidates")
    assert_nothing_left(directory)


# --- Tools and places -----------------------------------------------------------------------------

@case("without qemu-img the error names the package that has it")
def no_qemu_img():
    empty = scratch("empty")
    result = run("tune", "-d", _directory, *ONE, env={"PATH": str(empty)})
    assert_error(result, "qemu-img", hint="apt-get install qemu-utils")
    assert_nothing_left(_directory)


@case("no kernel for the guest is an error that says where one was looked for and how to get one")
def no_kernel():
    state = scratch("empty-state")
    result = run("tune", "-d", _directory, *ONE, "--rounds", "1", env={"VIRT_DISKTUNE_STATE_DIR": str(state)})
    if result.status == 0:
        raise Skip("this machine has a kernel of its own that is found without the state directory")
    assert_error(result, "no kernel for the probe guest", hint="--kernel|install|modprobe")
    assert_nothing_left(_directory)


@case("tmpfs, too small a disk and a read-only one are refused before anything is started")
def wrong_places():
    tmpfs = mounted(["-t", "tmpfs", "-o", "size=512m", "tmpfs"], scratch("tmpfs"))
    assert_error(run("tune", "-d", tmpfs, *ONE), "O_DIRECT", hint="page cache")
    assert_nothing_left(tmpfs)
    read_only = mounted(["-t", "tmpfs", "-o", "ro", "tmpfs"], scratch("read-only"))
    assert_error(run("tune", "-d", read_only, *ONE), "Read-only file system")
    assert_error(run("tune", "-d", _directory, "--size", "1000000T"), r"the scratch files need .*TiB", hint="--size")
    small = small_ext4(128)
    assert_error(run("tune", "-d", small, "--size", "64M"), r"the scratch files need \d", hint="--candidates")
    assert_nothing_left(small)


@case("a result that cannot be written is an error")
def full_output():
    with open("/dev/full", "wb") as full:
        result = run("tune", "-d", _directory, *ONE, "--rounds", "1", stdout=full)
    assert_error(result, "standard output")
    assert_nothing_left(_directory)


@case("a disk that is filled during the run is named as the reason")
def disk_full():
    directory = small_ext4(128)
    live = Run("tune", "-d", directory, "-w", "dd", "--size", "8M", "--candidates", "qcow2-threads", "--replicas", "1",
               "--verbose").reach("starting the probe guest")
    fill_up(directory)
    assert_error(live.wait(), "is full", hint="free space")
    assert_nothing_left(directory)


# --- QEMU -----------------------------------------------------------------------------------------

@case("QEMU killed in the middle is an error that says so")
def qemu_killed():
    live = endless("measuring")
    os.kill(qemu_of(live), signal.SIGKILL)
    assert_error(live.wait(30), "guest ended in the middle", hint="QEMU was killed or crashed")
    assert_nothing_left(_directory)


@case("QEMU killed while the guest boots is an error")
def qemu_killed_early():
    live = endless("starting the probe guest", "--accel", "tcg")
    os.kill(qemu_of(live), signal.SIGKILL)
    assert_error(live.wait(90), "probe guest")
    assert_nothing_left(_directory)


@case("a QEMU that stands still is given up after a while, and killed")
def qemu_stopped():
    live = endless("measuring")
    os.kill(qemu_of(live), signal.SIGSTOP)
    assert_error(live.wait(120), "guest hangs")
    assert_nothing_left(_directory)


@case("SIGINT gets through while QEMU stands still")
def interrupt_stopped():
    live = endless("measuring")
    os.kill(qemu_of(live), signal.SIGSTOP)
    time.sleep(0.5)
    live.signal(signal.SIGINT)
    # A first signal waits some seconds for the guest, and libvirt gives a QEMU that does not listen to
    # SIGTERM some more before it uses SIGKILL.
    assert_error(live.wait(35), "interrupted by SIGINT")
    assert_nothing_left(_directory)


# --- QEMU's honesty -------------------------------------------------------------------------------

def emulator(name, body):
    """A program that changes QEMU's arguments, in `args`, and becomes QEMU.

    Always in the same place, because libvirt keeps what it finds out about each emulator there is.
    """
    real = shutil.which("qemu-system-" + os.uname().machine)
    if not real:
        raise Skip("no qemu-system of this machine's architecture in PATH")
    path = Path.cwd() / f"functional-emulator-{name}"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\nargs = sys.argv[1:]\n{body}\n"
                    f"os.execv({real!r}, [{real!r}] + args)\n")
    path.chmod(0o755)
    return path


def check_failed(candidate, pattern_words):
    assert candidate["id"] and "failure" in candidate, f"{candidate['id']} has not failed"
    assert all(word in candidate["failure"] for word in pattern_words), candidate["failure"]
    figures = {"mb_per_s", "iops", "latency_us", "share_of_host", "rounds", "requests", "cpu_us_per_io"} & set(candidate)
    assert not figures, f"figures of what was not measured: {figures}"


def race_with(lie, *arguments):
    path = emulator("liar", lie)
    try:
        report = run_json("tune", "-d", _directory, *SMALL, *arguments, "--rounds", "1", *known_accelerator(),
                          "--emulator", path)
    finally:
        path.unlink()
    assert_nothing_left(_directory)
    return {candidate["id"]: candidate for candidate in report["candidates"]}, report


@case("an AIO mode other than the one asked for fails without a figure, and the others go on")
def another_aio():
    # disk-5 is the second of raw-native: one disk of two that lies is enough.
    lie = """args = [a.replace('"aio":"native"', '"aio":"threads"') if "disk-5" in a else a for a in args]"""
    found, report = race_with(lie, *TWO)
    check_failed(found["raw-native"], ("io='native'", "io='threads'"))
    assert "failure" not in found["raw-threads"] and found["raw-threads"]["mb_per_s"] > 0, found["raw-threads"]
    equal(report["recommended"], "raw-threads", "recommended")


@case("a file that QEMU opens through the page cache fails without a figure")
def page_cache():
    # The node of the file, not that of the format above it, decides on O_DIRECT.
    lie = """args = [a.replace('"direct":true', '"direct":false') if "disk-2" in a else a for a in args]"""
    found, _ = race_with(lie, "--candidates", "raw-threads,raw-threads-iothread", "--replicas", "1")
    check_failed(found["raw-threads-iothread"], ("cache='none'", "cache='writeback'"))
    assert "failure" not in found["raw-threads"], found["raw-threads"]


@case("AIO modes that QEMU says it falls back from fail without a figure, both of them, and the others go on")
def falls_back():
    lie = """for mode in ("native AIO", "linux io_uring"):
    sys.stderr.write(f"qemu: Unable to use {mode}, falling back to thread pool: not permitted\\n")
sys.stderr.flush()"""
    found, _ = race_with(lie, "--candidates", "raw-threads,raw-native,raw-io_uring", "--replicas", "1")
    for mode, words in (("native", "Unable to use native AIO"), ("io_uring", "Unable to use linux io_uring")):
        # Where QEMU has no io_uring it does not start with it.
        if not found[f"raw-{mode}"]["failure"].startswith("refused"):
            check_failed(found[f"raw-{mode}"], (f"io='{mode}' was asked for", "fell back to threads", words))
    assert "failure" not in found["raw-threads"] and found["raw-threads"]["mb_per_s"] > 0, found["raw-threads"]


@case("a configuration that QEMU refuses fails with QEMU's word, and the others go on")
def refused():
    # Whatever does not allow it, a build without Linux AIO or a host without contexts, QEMU does not start.
    refusal = """if any('"aio":"native"' in a for a in args):
    sys.exit("aio=native was specified, but is not supported in this build.")"""
    found, report = race_with(refusal, "--candidates", "raw-threads,raw-native,raw-native-iothread")
    for name in ("raw-native", "raw-native-iothread"):
        check_failed(found[name], ("refused: ", "not supported in this build"))
    assert "failure" not in found["raw-threads"] and found["raw-threads"]["mb_per_s"] > 0, found["raw-threads"]
    equal(report["recommended"], "raw-threads", "recommended")


@case("when nothing runs as asked for there is an error and no figure")
def all_lies():
    path = emulator("liar", """args = [a.replace('"aio":"native"', '"aio":"threads"') for a in args]""")
    try:
        result = run("tune", "-d", _directory, *SMALL, "--candidates", "raw-native", *known_accelerator(),
                     "--emulator", path)
    finally:
        path.unlink()
    assert_error(result, "io='native' was asked for, QEMU runs io='threads'")
    assert_nothing_left(_directory)


@case("a guest that panics is an error with the last line of its console")
def panic():
    path = emulator("panic", 'args = [args[i - 1] == "-append" and a + " rdinit=/absent" or a for i, a in enumerate(args)]')
    try:
        result = run("tune", "-d", _directory, *ONE, "--accel", "tcg", "--emulator", path)
    finally:
        path.unlink()
    assert_error(result, "probe guest", hint="console ends with")
    assert_nothing_left(_directory)


# --- Signals --------------------------------------------------------------------------------------

def interrupt_at(step, number, delay=0.0, *more):
    live = endless(step, *more)
    time.sleep(delay)
    live.signal(number)
    assert_error(live.wait(20), f"interrupted by {number.name}")
    assert_nothing_left(_directory)


@case("SIGINT while images are created, and as the guest starts, leaves nothing")
def interrupt_early():
    interrupt_at("creating scratch images", signal.SIGINT)
    interrupt_at("starting the probe guest", signal.SIGINT)


@case("SIGTERM while the guest boots leaves nothing")
def interrupt_boot():
    interrupt_at("starting the probe guest", signal.SIGTERM, 1.5, "--accel", "tcg")


@case("SIGINT, SIGTERM and SIGHUP while images are filled and measured leave nothing")
def interrupt_late():
    interrupt_at("writing the scratch images once", signal.SIGTERM, 0, "--size", "512M")
    interrupt_at("measuring", signal.SIGHUP, random.random())
    live = Run("tune", "-d", _directory, *SMALL, *TWO, "--rounds", "1", "--verbose").reach("long slices")
    live.signal(signal.SIGINT)
    assert_error(live.wait(20), "interrupted by SIGINT")
    assert_nothing_left(_directory)


@case("a signal that comes again and again during the end leaves nothing either")
def impatient():
    live = endless("measuring")
    while live.process.poll() is None and time.monotonic() - live.started < 60:
        live.signal(signal.SIGINT)
        time.sleep(0.05)
    # The second may come when there is nothing left to be interrupted.
    if live.wait(20).status != 1:
        assert_error(live, "interrupted by SIGINT")
    assert_nothing_left(_directory)


@case("SIGINT or SIGTERM among the rounds, or the long slices, ends the race with what is known")
def interrupt_result():
    for step, number, more in (("measuring", signal.SIGINT, ()), ("measuring", signal.SIGTERM, ("--goal", "cpu")),
                               ("long slices", signal.SIGINT, ("--rounds", "30"))):
        live = endless(step, "--json", *more)
        time.sleep(3 if step == "measuring" else 0)
        live.signal(number)
        equal(live.wait(20).status, 1, f"exit status, with standard error {live.err!r}")
        report = json.loads(live.out)
        assert report["interrupted"] is True and report["settled"] is False, report
        rounds = report["host"]["rounds"]
        assert rounds >= 2 and (step == "measuring" or rounds == 30), rounds
        assert any(f"interrupted after {rounds} rounds" in warning for warning in report["warnings"]), report["warnings"]
        for candidate in report["candidates"]:
            share = candidate["share_of_host"]
            equal(candidate["rounds"], rounds, "rounds")
            assert 0 < share["low"] <= share["robust"] <= share["high"], share
            assert candidate["verdict"] in ("best", "equal", "slower"), candidate["verdict"]
        assert_nothing_left(_directory)


# --- Killed ---------------------------------------------------------------------------------------

@case("QEMU ends by itself when its run is killed")
def orphan():
    live = endless("measuring")
    qemu = qemu_of(live)
    live.kill()
    wait_until(lambda: not alive(qemu), 20, f"QEMU {qemu} outlives its killed run")
    check_health()


@case("runs killed at any moment are cleared by the next one")
def killed():
    moments = (("creating scratch images", 0), ("starting the probe guest", 0), ("starting the probe guest", 1),
               ("writing the scratch images once", 0), ("measuring", random.random()))
    earlier, claims = None, []
    for step, delay in moments:
        live = endless(step)
        # By the first step a run has cleared what the one before it left.
        assert not [claim for claim in claims if claim.exists()], f"{claims} outlives the next run's start"
        assert not earlier or not earlier.exists(), f"{earlier} outlives the next run's start"
        time.sleep(delay)
        claims, (earlier,) = claims_of(live.pid), _directory.glob(".virt-disktune-*")
        assert claims, "the run has no runtime entry"
        live.kill()
    check_health()


@case("QEMU of a killed run that stands still is killed by the next one, which tests another directory")
def killed_and_stopped():
    live = endless("measuring")
    qemu = qemu_of(live)
    os.kill(qemu, signal.SIGSTOP)
    live.kill()
    check_health(scratch("elsewhere"))
    wait_until(lambda: not alive(qemu), 20, f"QEMU {qemu} still stands")
    assert_nothing_left(_directory)


# --- Company --------------------------------------------------------------------------------------

@case("a second run in the same directory is refused, one in another is not, and neither touches the first")
def company():
    first = endless("measuring")
    (claim,) = claims_of(first.pid)
    assert_error(run("tune", "-d", _directory, *ONE), rf"process {first.pid}\)", hint="wait|another disk")
    assert_error(run("measure", "-d", _directory, "--size", "8M"), rf"process {first.pid}\)", hint="wait|another disk")
    check_health(scratch("elsewhere"))
    assert claim.exists() and qemus(f"{claim}/") and list(_directory.glob(".virt-disktune-*")), "the first was touched"
    first.signal(signal.SIGTERM)
    equal(first.wait(20).status, 1, "exit status of what was interrupted and has a result")
    assert "then interrupted" in first.out, first.out
    assert_nothing_left(_directory)


@case("two runs that start at once in two directories both succeed")
def together():
    directories = scratch("one"), scratch("two")
    runs = [Run("tune", "-d", directory, *ONE, "--rounds", "2", "--json") for directory in directories]
    for live, directory in zip(runs, directories):
        assert_done(live.wait())
        equal(json.loads(live.out)["directory"], str(directory), "directory")
    for directory in directories:
        assert_nothing_left(directory)


@case("what lies in the runtime directory but is no run's is left alone")
def strangers():
    base = runtime_directory()
    base.mkdir(parents=True, exist_ok=True)
    file, link = base / "functional-file", base / "functional-link"
    target = scratch("target")
    (target / "file").write_text("keep")
    file.write_text("keep")
    link.symlink_to(target)
    try:
        assert_done(run("tune", "-d", _directory, *ONE, "--rounds", "1"))
        assert file.exists() and (target / "file").exists(), "something is gone"
    finally:
        file.unlink(missing_ok=True)
        link.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
