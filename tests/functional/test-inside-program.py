#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The program that measures inside a user's guest, without a guest: what it says, what it leaves behind, and that it
ends when its time is up, as nobody could stop it from outside."""

import json
import os
import signal
import subprocess
import time

from harness import case, equal, main, scratch

PROGRAM = os.environ["INSIDE"]
MIB = 1 << 20

_directory = scratch()


def task(seconds, duration_ns):
    workload = {"name": "reads", "rw": "randread", "read_percent": 100, "block_bytes": 4096, "sizes": [], "depth": 1,
                "jobs": 2, "zipf": 0.0, "rate_iops": 0, "sync_every": 0, "datasync": False, "zeros": False}
    bounds = {"bytes": MIB, "duration_ns": duration_ns, "ramp_ns": 0, "time_based": duration_ns > 0}
    return {"directory": str(_directory), "bytes": 4 * MIB, "seed": 1, "runs": 2, "seconds": seconds,
            "works": [{"workload": workload, "span_bytes": 4 * MIB, "group": 0, "bounds": bounds}]}


def inside(asked):
    return subprocess.run([PROGRAM], input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False)


@case("figures of each run, and a directory that is as it was before")
def figures():
    result = inside(task(100, 0))
    equal(result.returncode, 0, "status")
    answer = json.loads(result.stdout)
    equal([run[0]["requests"] for run in answer["runs"]], [2 * MIB // 4096] * 2, "requests of two jobs, in two runs")
    equal(answer["written_bytes"], 4 * MIB, "what was written")
    equal(os.listdir(_directory), [], "what is left in the directory")


@case("it ends when its time is up, whatever it was told to do, and leaves nothing")
def time_is_up():
    begin = time.monotonic()
    result = inside(task(1, 60 * 10**9))
    equal(result.returncode, -signal.SIGALRM, f"status, after {time.monotonic() - begin:.1f} s")
    equal(os.listdir(_directory), [], "what is left in the directory")


if __name__ == "__main__":
    main()
