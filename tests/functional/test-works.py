#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `measure` to what it is told to do: named workloads, several of them, jobs, times, and fio's job files."""

import re

from harness import assert_done, assert_error, assert_nothing_left, case, equal, main, run, run_json, scratch

NAMES = ("dd", "seqread", "seqwrite", "randread", "randwrite", "mixed", "commit", "boot")
# Fits every named workload's requests several times over.
QUICK = ("--size", "16M")

_directory = scratch()
_files = scratch("fio")


def measure(*arguments):
    report = run_json("measure", "-d", _directory, *arguments)
    assert_nothing_left(_directory)
    return report


def job_file(name, text):
    path = _files / name
    path.write_text(text)
    return path


# --- Names ----------------------------------------------------------------------------------------

@case("--list-workloads has each name with a line of its own")
def names():
    result = run("measure", "--list-workloads")
    assert_done(result)
    equal(tuple(line.split()[0] for line in result.out.splitlines()), (*NAMES, "general"), "names")
    assert all(len(line.split()) > 3 for line in result.out.splitlines()), result.out
    assert_error(run("measure", "--list-workloads", "--json"), "--list-workloads prints text")


@case("each named workload is measured, and all of them one after another")
def every_name():
    report = measure("-w", ",".join(NAMES), *QUICK)
    equal([item["workload"]["name"] for item in report["workloads"]], list(NAMES), "order of the workloads")
    for item in report["workloads"]:
        host, name = item["host"], item["workload"]["name"]
        assert host["requests"] > 0 and host["iops"] > 0, (name, host)
        assert abs(host["bytes"] / (16 << 20) - 1) < 0.1, (name, host["bytes"])
        equal("sync_latency_us" in host, name == "commit", f"{name}: latencies of syncs")
    total = report["host"]
    equal(total["bytes"], sum(item["host"]["bytes"] for item in report["workloads"]), "bytes of all")
    equal(report["workload"], None, "the one workload, where there are several")


@case("options change what a name stands for, and take the name away")
def changed():
    workload = measure("-w", "randread", "--depth", "4", "--block", "8k", *QUICK)["workload"]
    equal((workload["name"], workload["rw"], workload["depth"], workload["block_bytes"]), ("", "randread", 4, 8192),
          "workload")


@case("a name that is none is an error that lists the others, alone or in a list")
def no_such_name():
    for names in ("nothing", "dd,nothing", "dd,", ""):
        assert_error(run("measure", "-d", _directory, "-w", names), "no workload", hint="dd, seqread")


@case("jobs do the work as often as there are jobs")
def jobs():
    one = measure("-w", "randread", *QUICK)
    four = measure("-w", "randread", "--jobs", "4", *QUICK)
    equal(four["host"]["requests"], 4 * one["host"]["requests"], "requests of four jobs")
    assert_error(run("measure", "-d", _directory, "--jobs", "2", "--fresh"), "first writes")
    assert_error(run("measure", "-d", _directory, "--jobs", "64", "--depth", "64", "--block", "1M"), "in flight")


@case("--runtime bounds the work by time, whatever the size")
def runtime():
    report = measure("-w", "dd", "--runtime", "1s", *QUICK)
    assert 0.7 < report["host"]["seconds"] < 5, report["host"]


# --- fio's job files ------------------------------------------------------------------------------

@case("what --print-fio prints is read back as the same work, and measures nothing")
def round_trip():
    for name in NAMES:
        printed = run("measure", "--print-fio", "-w", name, *QUICK)
        assert_done(printed)
        path = job_file(f"{name}.fio", printed.out)
        report = measure("--fio", path)
        ours = measure("-w", name, *QUICK)
        equal(report["workload"], ours["workload"], f"{name} by way of fio's file")


@case("a mix is printed as one file, whose sections come one after another as they do here")
def printed_mix():
    printed = run("measure", "--print-fio", "-w", "general", *QUICK)
    assert_done(printed)
    equal(printed.out.count("[global]"), 1, "global sections")
    equal(printed.out.count("stonewall"), 4, "works that wait for the one before")
    back = run("measure", "--print-fio", "--fio", job_file("general.fio", printed.out))
    equal(back.out, printed.out, "what is read back and printed again")


@case("sections of one group run at the same time, and stonewall ends the group")
def groups():
    section = "rw=randread\nbs=4k\ntime_based\nruntime=1\n"
    together = job_file("together.fio", f"[global]\nsize=16m\n[a]\n{section}[b]\n{section}")
    apart = job_file("apart.fio", f"[global]\nsize=16m\n[a]\n{section}[b]\nstonewall\n{section}")
    for path in (together, apart):
        report = measure("--fio", path)
        equal([item["workload"]["name"] for item in report["workloads"]], ["a", "b"], "names of the sections")
        seconds = report["host"]["seconds"]
        items = [item["host"]["seconds"] for item in report["workloads"]]
        # All of it takes as long as the longest of those at the same time, or as one after the other.
        expected = max(items) if path == together else sum(items)
        assert abs(seconds / expected - 1) < 0.01, (path.name, seconds, items)


@case("a rate is kept, and a job's own latencies are its own")
def rate():
    path = job_file("rate.fio", "[slow]\nrw=randread\nbs=4k\nsize=16m\ntime_based\nruntime=2\nrate_iops=100\n")
    # A disk that is busy with others may not keep up, but never is there more than the rate.
    for attempt in range(4):
        iops = measure("--fio", path)["host"]["iops"]
        assert iops < 110, iops
        if iops > 90:
            return
    raise AssertionError(f"{iops} requests a second, of 100")


@case("what fio does otherwise is said in notes")
def notes():
    path = job_file("notes.fio", "[one]\nrw=randread\nbs=4k\nsize=16m\nfilename=/nonexistent/elsewhere\n")
    report = measure("--fio", path)
    assert any(re.search(r"notes\.fio:5: filename", note) for note in report["notes"]), report["notes"]


@case("a key that is not supported or not known is an error with its line, and nothing is measured")
def refusals():
    for text, pattern in (
        ("[a]\nrw=randread\nverify=crc32c\n", r"bad\.fio:3: .*verify"),
        ("[a]\nrw=randread\nno_such_key=1\n", r"bad\.fio:3: .*no_such_key"),
        ("[a]\nrw=sideways\n", r"bad\.fio:2: "),
        ("[a]\nrw=read\ndirect=0\n", r"bad\.fio:3: .*direct"),
        ("rw=read\n", r"bad\.fio:1: "),
        ("", r"bad\.fio"),
    ):
        assert_error(run("measure", "-d", _directory, "--fio", job_file("bad.fio", text)), pattern)
    assert_error(run("measure", "-d", _directory, "--fio", _files / "absent.fio"), r"absent\.fio: No such file")
    assert_error(run("measure", "-d", _directory, "--fio", _files / "rate.fio", "--depth", "2"), "--fio")
    assert_nothing_left(_directory)


@case("the text has a row for each work, and for its syncs")
def text():
    result = run("measure", "-d", _directory, "-w", "dd,commit", *QUICK)
    assert_done(result)
    for row in (r"^  dd, rewrite +\d", r"^  dd, first write +\d", r"^  commit, rewrite +\d", r"^  commit, rewrite, syncs +\d"):
        assert re.search(row, result.out, re.M), (row, result.out)


@case("--print-fio needs no directory, and prints nothing but the file")
def printed_alone():
    result = run("measure", "--print-fio", "-w", "mixed")
    assert_done(result)
    assert result.err == "" and "[mixed]" in result.out and "rwmixread=70" in result.out, result.out


# --- In a user's guest ----------------------------------------------------------------------------

# A guest of libvirt's own, which has no agent and does nothing.
NODE = """<node><domain type='test'><name>web</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/srv/a.img'/><target dev='vda' bus='virtio'/></disk></devices></domain></node>
"""


@case("verify takes a fio job file, whose times are its own, and has no --fresh: its file is written first")
def inside():
    web = ("-c", f"test://{job_file('node.xml', NODE)}", "web/vda", "--runs", "2")
    jobs = job_file("inside.fio", "[a]\nrw=randread\nbs=4k\nsize=8m\n")
    equal(run_json("verify", *web, "--fio", jobs)["measured"]["how"], "observed", "how")
    assert_error(run("verify", *web, "--fio", jobs, "--runtime", "1s"), "--fio brings its own work")
    assert_error(run("verify", *web, "--fresh"), "[Uu]nknown option.*fresh", "--help")


if __name__ == "__main__":
    main()
