#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `tune` to what it promises a host that is in use: a ceiling of what it moves, and the last place in the queue."""

import shutil
import subprocess
import time

from harness import SMALL, Run, Skip, assert_done, assert_error, assert_nothing_left, case, equal, main, qemu_of, run, \
    run_json, scratch

_directory = scratch("images")
ONE = ("--candidates", "raw-threads", "--cold", "--no-confirm")


@case("--rate bounds what is moved on average, filling included")
def rate():
    mib, begin = 1 << 20, time.monotonic()
    result = run_json("tune", "-d", _directory, "-w", "dd", "--size", "8M", "--rounds", "20", "--time", "100", *ONE,
                      "--rate", "16M")
    seconds = time.monotonic() - begin
    equal(result["host"]["rounds"], 20, "rounds")
    # All that dd moves are writes. What came last, a slice or a file of 8 MiB, need not have been waited for.
    assert result["written_bytes"] <= 16 * mib * seconds + 8 * mib, (result["written_bytes"], seconds)
    # Or else the bound would show nothing.
    assert result["written_bytes"] > 32 * mib, result["written_bytes"]
    assert_nothing_left(_directory)


@case("images that cannot be written in time at that rate are an error before they are")
def no_time():
    result = run("tune", "-d", _directory, "-w", "dd", "--size", "64M", "--replicas", "1", "--time", "60", *ONE, "--rate", "1M")
    assert_error(result, "longer than there is time", hint="--rate")
    assert result.seconds < 60, f"--time 60 took {result.seconds:.0f} s to say so"
    assert_nothing_left(_directory)


def priority_with(*options):
    """The I/O priority of the probe guest's QEMU, as ionice prints it."""
    if not shutil.which("ionice"):
        raise Skip("there is no ionice here")
    going = Run("tune", "-d", _directory, *SMALL, *ONE, *options, "--rounds", "40", "--verbose").reach("measuring")
    pid = qemu_of(going)
    found = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True).stdout.strip()
    assert_done(going.wait())
    return found


@case("others' I/O goes first, as --ionice says")
def ionice():
    equal(priority_with(), "best-effort: prio 7", "priority unasked")
    equal(priority_with("--ionice", "idle"), "idle", "priority with idle")
    assert priority_with("--ionice", "none") not in ("best-effort: prio 7", "idle"), "--ionice none sets one"


@case("a rate or a class that is none is an error")
def refused():
    for value in ("0", "-1", "fast", "100k", "1Q"):
        assert_error(run("tune", "-d", _directory, f"--rate={value}"), "--rate")
    assert_error(run("tune", "-d", _directory, "--ionice", "realtime"), "'realtime'", "none, low, idle")


@case("--samples has every slice, and where they cannot be written the result is printed all the same")
def samples():
    path = _directory / "samples.csv"
    run_json("tune", "-d", _directory, *SMALL, *ONE, "--samples", path)
    lines = path.read_text().splitlines()
    equal(lines[0], "round,work,configuration,replica,ns", "heading")
    rows = [line.split(",") for line in lines[1:]]
    # Three rounds, two disks, two files of the host.
    equal(len(rows), 12, "rows")
    equal({row[2] for row in rows}, {"host", "raw-threads"}, "configurations")
    assert all(int(row[4]) > 0 for row in rows), rows
    path.unlink()
    # The figures are printed all the same.
    result = run("tune", "-d", _directory, *SMALL, *ONE, "--samples", "/dev/full")
    equal(result.status, 2, "exit status")
    assert "/dev/full" in result.err and "raw-threads" in result.out, (result.err, result.out)
    assert_nothing_left(_directory)


main()
