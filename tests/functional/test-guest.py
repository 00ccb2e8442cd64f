#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `measure --guest` to its contract: the same work in the host and in a guest, side by side."""

from harness import assert_done, assert_error, assert_nothing_left, case, equal, main, run, run_json, scratch

SMALL = ("--size", "16M", "--runtime", "1s")
LINE_MAX = 100

_directory = scratch()


def measure(*arguments):
    report = run_json("measure", "-d", _directory, "--guest", *SMALL, *arguments)
    assert_nothing_left(_directory)
    return report


def check_side(figures, block):
    assert figures["iops"] > 0 and figures["requests"] > 0 and figures["latency_us"]["mean"] > 0, figures
    assert abs(figures["mb_per_s"] / (figures["iops"] * block / 1e6) - 1) < 0.01, figures


def check_share(item):
    share = item["share_of_host"]
    assert 0 < share["low"] <= share["robust"] <= share["high"], share


@case("host and guest are measured with the same work, and the share has an interval")
def both_sides():
    report = measure("-w", "dd")
    assert report["accelerator"] in ("kvm", "tcg"), report["accelerator"]
    equal((report["guest"]["where"], report["guest"]["disk"]), ("probe", "qcow2-threads"), "the guest")
    assert report["guest"]["kernel"] and report["guest"]["vcpus"] >= 1, report["guest"]
    for item in (*report["workloads"], *report["first_writes"]):
        check_side(item["host"], 65536)
        check_side(item["guest"], 65536)
        check_share(item)
    check_share(report)
    equal([item["state"] for item in report["workloads"] + report["first_writes"]], ["rewrite", "fresh"], "states")
    # Two files and two disks, written once, and what the slices wrote; first writes at most fill four more.
    assert report["written_bytes"] > 4 * (16 << 20), report["written_bytes"]


@case("several works on a disk of another configuration, without first writes")
def several():
    report = measure("-w", "randread,commit", "--disk", "raw-threads", "--rewrite")
    equal([item["workload"]["name"] for item in report["workloads"]], ["randread", "commit"], "works")
    equal((report["guest"]["disk"], report["first_writes"]), ("raw-threads", []), "the disk and first writes")
    equal(report["workload"], None, "the one work, where there are several")
    for item in (report, *report["workloads"]):
        assert item["host"]["requests"] > 0 and item["guest"]["requests"] > 0, item
        check_share(item)


@case("the text has a row for each side of each work, and fits a window")
def text():
    result = run("measure", "-d", _directory, "--guest", *SMALL, "-w", "randread,dd", "--rewrite")
    assert_done(result)
    lines = result.out.splitlines()
    for name in ("randread", "dd, rewrite"):
        row = next(i for i, line in enumerate(lines) if line.startswith(f"  {name} ") and " host " in line)
        assert lines[row + 1].split()[0] == "guest", lines[row + 1]
    wide = [line for line in lines if len(line) > LINE_MAX and str(_directory) not in line]
    assert not wide, wide
    assert_nothing_left(_directory)


@case("a disk that is none, or several, and guest options without a guest are errors")
def refusals():
    for disk in ("", "fast", "raw-threads,raw-native", "qcow2-native", "/etc/passwd"):
        assert_error(run("measure", "-d", _directory, "--guest", *SMALL, "--disk", disk), "--disk")
    for option in ("--disk=raw-threads", "--accel=tcg", "--vcpus=1", "--kernel=x", "--emulator=x"):
        assert_error(run("measure", "-d", _directory, option), "--guest")
    for vcpus in ("0", "256", "x"):
        assert_error(run("measure", "-d", _directory, "--guest", "--vcpus", vcpus), "--vcpus")
    assert_error(run("measure", "-d", _directory, "--guest", "--size", "1M"), "--size")
    assert_nothing_left(_directory)


if __name__ == "__main__":
    main()
