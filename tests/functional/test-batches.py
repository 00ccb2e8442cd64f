#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `tune` to this: what does not fit at once is raced in several guests, and no configuration gets lost."""

import signal
import time

from harness import PATIENCE, Run, assert_nothing_left, case, equal, main, run_json, small_ext4, wait_until

# Images of 4 MiB, and 4 MiB beside each: there is room for some seven configurations on two disks.
MANY = ("-w", "dd", "--size", "4M", "--time", "100", "--no-confirm", "--cold")


@case("configurations that the file system has no room for at once are raced one batch after the other")
def batches():
    directory = small_ext4(220)
    result = run_json("tune", "-d", directory, *MANY, "--rounds", "3")
    assert 2 <= result["guests"] <= 6, result["guests"]
    raced = [c["id"] for c in result["candidates"]]
    equal(len(raced), len(set(raced)), "configurations, each of them once")
    equal(len(raced) + len(result["left_out"]), 18, "all combinations")
    for candidate in result["candidates"]:
        assert 0 < candidate["share_of_host"]["robust"] < 20, candidate
        assert candidate["effective"]["io"] == candidate["disk"]["io"], candidate
    verdicts = [c["verdict"] for c in result["candidates"]]
    equal(verdicts, sorted(verdicts, key=["best", "equal", "slower", "failed"].index), "order of the verdicts")
    equal(result["recommended"], raced[0], "what is recommended")
    assert_nothing_left(directory)


@case("an interrupt in the first batch says which configurations never had their turn")
def interrupted():
    directory = small_ext4(220)
    going = Run("tune", "-d", directory, *MANY, "--exhaustive", "--verbose").reach("measuring")
    # Two rounds at least, on a machine however slow.
    time.sleep(3)
    going.signal(signal.SIGINT)
    going.wait()
    equal(going.status, 1, f"exit status, with standard error {going.err!r}")
    assert "interrupted before its turn" in " ".join(going.out.split()), going.out
    assert_nothing_left(directory)


@case("an interrupt behind the first batch leaves what that came to")
def interrupted_later():
    directory = small_ext4(220)
    going = Run("tune", "-d", directory, *MANY, "--rounds", "3", "--verbose")
    wait_until(lambda: going.err.count("starting the probe guest") > 1 or going.process.poll() is not None, PATIENCE,
               "there is no second guest")
    going.signal(signal.SIGINT)
    going.wait()
    equal(going.status, 1, f"exit status, with standard error {going.err!r}")
    words = " ".join(going.out.split())
    # Not in the race that was about to begin, nor in a later one.
    assert "interrupted before its turn" in words and "the run ended with guest 2" in words, going.out
    assert "qcow2-threads" in words and "host file" in words, going.out
    assert_nothing_left(directory)


main()
