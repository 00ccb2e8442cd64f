#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the measuring core to what a request costs it: the instructions in user space, counted by callgrind.

A count is the slope between a short and a long run of bench/core, so that starting up is not in it. Out of the page
cache io_uring's requests complete as they are handed over: how often the core wakes up, and with it the count,
does then not hang on the disk. Valgrind has no vDSO: of reading the clock only the call is counted.

A bound is a fifth above the largest count that gcc 12 and clang 14 gave at -O1, -O2, -O3 and -Os. Between these eight
builds a count differs by up to a tenth; the fifth is twice that, for the compilers that were not there to be asked.
Where the instructions go, of gcc at -O2 (332 to 336 for dd, 297 to 299 for randread):

              stamps in the data   engine   pattern   histogram   clock   libc, liburing
    dd                       159       65        56          32      16                8
    randread                  14      160        80          32       0               12
"""

import os
import platform
import re
import shutil
import subprocess

from harness import PATIENCE, Skip, case, main, scratch

CORE = os.environ.get("BENCH_CORE", "bench/core")
# The largest count among the builds.
LARGEST = {"dd": 336, "commit": 358, "randread": 313, "boot": 422}
HEADROOM = 1.2
# Whole runs; starting up differs by some thousand instructions from run to run, thus the slope by a few.
SHORT, LONG = 500, 2500
MEBIBYTE = 1 << 20

_directory = scratch()


def check_build():
    sanitizers, optimization = os.environ.get("B_SANITIZE", "none"), os.environ.get("OPTIMIZATION", "2")
    if not shutil.which("valgrind"):
        raise Skip("valgrind is not installed")
    if sanitizers != "none":
        raise Skip(f"built with b_sanitize={sanitizers}, whose checks would be counted, and valgrind cannot run it")
    if optimization in ("0", "g", "plain"):
        raise Skip(f"built with optimization={optimization}; the bounds are for optimized code")
    if platform.machine() != "x86_64":
        raise Skip(f"the bounds are for the instructions of x86-64, not of {platform.machine()}")


def instructions(path, workload, requests):
    # What is written goes to the page cache, and seconds are no bound.
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           CORE, path, workload, "cached", "1e6", "0", str(requests)],
                          capture_output=True, text=True, timeout=PATIENCE)
    if "io_uring_setup" in done.stderr or "io_uring cannot be set up" in done.stderr:
        raise Skip("valgrind does not know io_uring here")
    if "DWARF" in done.stderr:
        raise Skip("this valgrind cannot read what the compiler wrote for debuggers")
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr!r}"
    assert f'"requests": {requests},' in done.stdout, f"not {requests} requests: {done.stdout!r}"
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def hold(workload):
    check_build()
    path = _directory / "file"
    path.write_bytes(os.urandom(MEBIBYTE) * 8)
    path.read_bytes()
    count = (instructions(path, workload, LONG) - instructions(path, workload, SHORT)) / (LONG - SHORT)
    bound = LARGEST[workload] * HEADROOM
    print(f"# {workload}: {count:.1f} instructions for each request, at most {bound:.0f}", flush=True)
    assert count <= bound, f"{count:.1f} instructions for each request, where at most {bound:.0f} are expected"
    # Less than half is no better core, but requests that were not made.
    assert count >= LARGEST[workload] / 2, f"{count:.1f} instructions for each request are too few to be true"


@case("a write of 64 KiB by the engine for depth 1 takes the core no more instructions than it did")
def depth_1():
    hold("dd")


@case("a write of 4 KiB and its fdatasync take the core no more instructions than they did")
def synced():
    hold("commit")


@case("a random read at depth 32 by io_uring takes the core no more instructions than it did")
def depth_32():
    hold("randread")


@case("a random read of mixed size by io_uring takes the core no more instructions than it did")
def mixed_sizes():
    hold("boot")


if __name__ == "__main__":
    main()
