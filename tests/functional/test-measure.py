#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `measure` to its contract: figures that agree with each other, an honest refusal, and nothing left behind."""

import os
import shutil
import signal
import subprocess

from harness import (PROGRAM, Run, alive, assert_done, assert_error, assert_nothing_left, assert_on_page, case, equal,
                     fill_up, main, mounted, run, run_json, scratch, small_ext4)

LATENCY = ("mean", "p50", "p95", "p99", "p999", "max")
# Small enough for a second at a slow disk's speed, enough for every percentile to be taken of something.
QUICK = ("--size", "16M")
# One that is still running when a test wants to see it run, whatever the disk: first writes, 512 bytes each.
LONG = ("--size", "1G", "--block", "512", "--rw", "randwrite", "--verbose")

_directory = scratch()


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_figures(figures, block):
    for key in ("mb_per_s", "iops"):
        assert is_number(figures[key]) and figures[key] > 0, f"{key}: {figures[key]!r}"
    expected = figures["iops"] * block / 1e6
    assert abs(figures["mb_per_s"] / expected - 1) < 0.01, f"{figures['mb_per_s']} MB/s, but {expected} by the IOPS"
    latency = figures["latency_us"]
    equal(set(latency), set(LATENCY), "latency_us")
    assert all(is_number(latency[key]) and latency[key] > 0 for key in LATENCY), latency
    values = [latency[key] for key in LATENCY[1:]]
    assert values == sorted(values), f"percentiles go down: {latency}"
    assert latency["mean"] <= latency["max"], latency


def measure(*arguments):
    report = run_json("measure", "-d", _directory, *arguments)
    check_figures(report["host"], report["workload"]["block_bytes"])
    assert_nothing_left(_directory)
    return report


# --- The contract ---------------------------------------------------------------------------------

@case("the JSON has every key of the contract, in its type, with its unit in the name")
def contract():
    report = measure(*QUICK)
    for key in ("version", "accelerator", "directory", "workload", "state", "host", "guest", "share_of_host", "workloads",
                "first_writes", "notes", "warnings", "written_bytes"):
        assert key in report, f"no {key}"
    assert_on_page("measure", report, report["host"], report["host"]["latency_us"], *report["workloads"])
    equal(report["directory"], str(_directory), "directory")
    assert report["accelerator"] is report["guest"] is report["share_of_host"] is None, "there was no guest"
    equal(report["workload"], {**report["workload"], "rw": "write", "block_bytes": 65536, "depth": 1, "read_percent": 0,
                               "zeros": False}, "workload")
    equal(report["state"], "rewrite", "state")


@case("requests, bytes and time fit the work that was asked for")
def amounts():
    host = measure(*QUICK)["host"]
    equal(host["bytes"], 16 << 20, "bytes")
    equal(host["requests"], 256, "requests")
    assert abs(host["bytes"] / 1e6 / host["seconds"] / host["mb_per_s"] - 1) < 0.01, host
    assert is_number(host["sync_seconds"]) and host["sync_seconds"] >= 0, host
    # One request after the other: their latencies fill the time, and no more than it.
    busy = host["latency_us"]["mean"] * host["requests"] / 1e6
    assert 0.3 * host["seconds"] < busy < 1.1 * host["seconds"], f"{busy} s of requests in {host['seconds']} s"


@case("first writes and rewrites have a row each, each on a file of its own")
def both_states():
    report = measure(*QUICK)
    equal([item["state"] for item in report["workloads"]], ["rewrite"], "states of the works")
    equal([item["state"] for item in report["first_writes"]], ["fresh"], "states of the first writes")
    first = report["first_writes"][0]
    equal(first["workload"], report["workload"], "the work")
    check_figures(first["host"], 65536)
    equal((first["host"]["bytes"], first["host"]["requests"]), (16 << 20, 256), "amount of first writes")
    # What reads would read what is not there; several jobs would write the same blocks.
    for arguments in (("--rw", "read"), ("--rw", "randrw"), ("--jobs", "2"), ("--rewrite",)):
        equal(measure(*QUICK, *arguments)["first_writes"], [], f"first writes with {arguments}")
    equal(measure(*QUICK, "--rw", "read")["workloads"][0]["state"], "read", "state of reads")
    assert_error(run("measure", "-d", _directory, "--fresh", "--rewrite"), "--rewrite")


@case("what is written is counted: the file once, then the work, and only first writes with --fresh")
def written():
    equal(measure(*QUICK)["written_bytes"], 48 << 20, "rewrite and first writes")
    equal(measure(*QUICK, "--rewrite")["written_bytes"], 32 << 20, "rewrite")
    equal(measure(*QUICK, "--rw", "read")["written_bytes"], 16 << 20, "read")
    report = measure(*QUICK, "--fresh")
    equal(report["written_bytes"], 16 << 20, "fresh")
    equal(report["state"], "fresh", "state")


@case("every direction is measured, sequential and random")
def directions():
    for rw, percent in (("read", 100), ("write", 0), ("randread", 100), ("randwrite", 0), ("rw", 50), ("randrw", 50)):
        workload = measure(*QUICK, "--rw", rw)["workload"]
        equal((workload["rw"], workload["read_percent"]), (rw, percent), "direction and reads")


@case("a mix has the share of reads that was asked for")
def mixes():
    for percent in (0, 30, 100):
        report = measure(*QUICK, "--block", "4k", "--rw", "randrw", "--rwmixread", percent, "--rewrite")
        equal(report["workload"]["read_percent"], percent, "read_percent")
        writes = (report["written_bytes"] - (16 << 20)) / 4096
        # 4096 requests, drawn: five standard deviations are 4 %.
        assert abs(writes / 4096 - (1 - percent / 100)) < 0.04, f"{writes} of 4096 were writes at {percent} % reads"


@case("block size, queue depth and zeros reach the work")
def shapes():
    report = measure(*QUICK, "--block", "4k", "--depth", "32", "--rw", "randwrite", "--zeros")
    workload = report["workload"]
    equal((workload["block_bytes"], workload["depth"], workload["zeros"]), (4096, 32, True), "workload")
    equal(report["host"]["requests"], 4096, "requests")
    host = report["host"]
    # Little's law: 32 in flight, so latencies add up to nearly 32 times the time that passed.
    flight = host["latency_us"]["mean"] * host["iops"] / 1e6
    assert 8 < flight < 36, f"{flight} requests were in flight"
    measure("--size", "64M", "--block", "16M")
    measure("--size", "1M", "--block", "512")


@case("the text has the figures, too")
def text():
    result = run("measure", "-d", _directory, *QUICK)
    assert_done(result)
    for word in (str(_directory), "16777216 bytes in", "MB/s", "IOPS", "p99.9", "write 64 KiB, queue depth 1",
                 ", rewrite", ", first write"):
        assert word in result.out, f"no {word!r} in {result.out!r}"
    equal(result.err, "", "standard error, which is no terminal")


# --- Refusals -------------------------------------------------------------------------------------

@case("a tmpfs is refused: its figures would be those of memory")
def page_cache():
    directory = mounted(["-t", "tmpfs", "-o", "size=256m", "tmpfs"], scratch("tmpfs"))
    assert_error(run("measure", "-d", directory, *QUICK), "O_DIRECT", hint="page cache")
    assert_nothing_left(directory)


@case("too little space is refused, with what is needed and what is free, before a byte is written")
def no_space():
    directory = small_ext4(128)
    free = os.statvfs(directory).f_bfree
    assert_error(run("measure", "-d", directory, "--size", "100M"), r"\d MiB free: .*need 100 MiB", hint="--size")
    equal(os.statvfs(directory).f_bfree, free, "free blocks")
    assert_nothing_left(directory)


@case("a read-only mount is refused in one line")
def read_only():
    directory = mounted(["-t", "tmpfs", "-o", "ro", "tmpfs"], scratch("read-only"))
    assert_error(run("measure", "-d", directory, *QUICK), "Read-only file system")


@case("a small ext4 in a file is measured like any other disk")
def small_disk():
    directory = small_ext4(160)
    report = run_json("measure", "-d", directory, *QUICK)
    check_figures(report["host"], 65536)
    assert_nothing_left(directory)


@case("a standard output that is full or closed is an error")
def no_output():
    for more in ((), ("--json",)):
        with open("/dev/full", "wb") as full:
            assert_error(run("measure", "-d", _directory, *QUICK, *more, stdout=full), "standard output")
        command = ["sh", "-c", 'exec "$0" "$@" >&-', PROGRAM, "measure", "-d", str(_directory), *QUICK, *more]
        closed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        equal(closed.returncode, 2, f"exit status with standard output closed, {closed.stderr!r}")
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb") as pipe:
        assert_error(run("measure", "-d", _directory, *QUICK, stdout=pipe), "standard output")
    assert_nothing_left(_directory)


@case("a disk that is filled during the run is named as the reason")
def disk_full():
    directory = small_ext4(160)
    live = Run("measure", "-d", directory, "--size", "48M", "--block", "512", "--fresh", "--verbose").reach("measuring")
    fill_up(directory)
    assert_error(live.wait(), "is full", hint="free space")
    assert_nothing_left(directory)


# --- Signals and company --------------------------------------------------------------------------

def long_run(step="measuring"):
    return Run("measure", "-d", _directory, *LONG).reach(step)


@case("SIGINT, SIGTERM and SIGHUP end a run with an error and leave nothing")
def signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        live = long_run()
        live.signal(number)
        assert_error(live.wait(30), f"interrupted by {number.name}")
        assert_nothing_left(_directory)


@case("SIGINT while the scratch file is written ends the run, too")
def signal_while_filling():
    live = Run("measure", "-d", _directory, "--size", "4G", "--verbose").reach("writing the scratch file once")
    live.signal(signal.SIGINT)
    assert_error(live.wait(30), "interrupted by SIGINT")
    assert_nothing_left(_directory)


@case("a second run in the same directory is refused and told whose the first is")
def company():
    live = long_run()
    assert_error(run("measure", "-d", _directory, *QUICK), rf"process {live.pid}\)", hint="wait|another disk")
    assert alive(live.pid), "the first run did not survive the second"
    live.signal(signal.SIGTERM)
    assert_error(live.wait(30), "interrupted")
    assert_nothing_left(_directory)


@case("what a killed run leaves the next one removes")
def killed():
    live = long_run()
    live.kill()
    assert list(_directory.glob(".virt-disktune-*")), "a killed run left nothing: then this case shows nothing"
    measure(*QUICK)


@case("of many runs that start at once one measures, and the others are refused or measure after it")
def crowd():
    runs = [Run("measure", "-d", _directory, "--size", "64M") for _ in range(6)]
    done = [live.wait().status for live in runs].count(0)
    assert done >= 1, [live.err for live in runs]
    for live in runs:
        if live.status:
            assert_error(live, "another run", hint="wait|another disk")
    assert_nothing_left(_directory)


@case("what only looks like a scratch directory is left alone")
def not_ours():
    keep = _directory / "virt-disktune-notes"
    keep.mkdir()
    (keep / "lock").write_text("1\n")
    file = _directory / ".virt-disktune-file"
    file.write_text("a file")
    link = _directory / ".virt-disktune-link"
    link.symlink_to(keep)
    run_json("measure", "-d", _directory, *QUICK)
    assert (keep / "lock").exists() and file.read_text() == "a file" and link.is_symlink(), "something is gone"
    shutil.rmtree(keep)
    file.unlink()
    link.unlink()


@case("a file of the user's beside the scratch files keeps its content")
def user_file():
    image = _directory / "host.raw"
    image.write_bytes(b"important" * 1000)
    measure(*QUICK)
    equal(image.read_bytes(), b"important" * 1000, "the file")
    image.unlink()


if __name__ == "__main__":
    main()
