#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the history to this: every race is kept, a later one of its kind starts from what won, none fails for want of it,
and `history` tells of them all.
"""

import datetime
import json
import os
import re
import sqlite3
import subprocess

from harness import (SMALL, TWO, assert_done, assert_error, assert_nothing_left, assert_on_page, case, equal, fill_up, main,
                     mounted, new_state, run, run_json, scratch)

RACE = ("time", "version", "directory", "storage", "workload", "goal", "accelerator", "qemu", "kernel", "vcpus", "rounds",
        "seconds", "settled", "best", "recommended", "candidates")

_directory = scratch()


def tune(state, *arguments, directory=_directory):
    report = run_json("tune", "-d", directory, *SMALL, *TWO, "--replicas", "1", "--no-confirm", *arguments,
                      env={"VIRT_DISKTUNE_STATE_DIR": str(state)})
    assert_nothing_left(directory)
    return report


def history(state, *arguments):
    return run_json("history", *arguments, env={"VIRT_DISKTUNE_STATE_DIR": str(state)})["races"]


def history_text(state, *arguments, **environment):
    result = run("history", *arguments, env={"VIRT_DISKTUNE_STATE_DIR": str(state), **environment})
    assert_done(result)
    return result.out


def decide(state, winner):
    """So few rounds say nothing: write into the history that one of the two won."""
    with sqlite3.connect(state / "history.sqlite3") as db:
        db.execute("UPDATE candidate SET verdict = CASE WHEN id = ? THEN 'best' ELSE 'slower' END", (winner,))
    db.close()


def of_history(report):
    return [warning for warning in report["warnings"] if "history.sqlite3" in warning]


# --- Races ----------------------------------------------------------------------------------------

@case("where there were no races none are listed, and nothing is made")
def none_yet():
    state = scratch("state")
    equal(history(state), [], "races")
    equal(history_text(state), "There are no races yet.\n", "text")
    equal(list(state.iterdir()), [], "files in the state directory")


@case("a race starts from what won in the latest of its kind, --cold and --exhaustive do not, and history has them all")
def warm():
    state, elsewhere = new_state(), scratch("else where")
    first = tune(state)
    equal(first["history"], None, "the first race's history")
    decide(state, "raw-native")
    second = tune(state, directory=elsewhere)
    equal(second["history"]["prior"], ["raw-native"], "prior")
    kept = datetime.datetime.fromisoformat(second["history"]["from"].replace("Z", "+00:00"))
    age = (datetime.datetime.now(datetime.timezone.utc) - kept).total_seconds()
    assert 0 < age < 600, f"the earlier race is {age} s old"
    decide(state, "raw-native")
    for options in (("--cold",), ("--exhaustive",), ("--block", "4k"), ("--candidates", "raw-native")):
        equal(tune(state, *options)["history"], None, f"history with {options}")
    races = history(state)
    equal(len(races), 6, "races")
    check_races(races, second, elsewhere)
    assert_on_page("history", *races, *races[0]["candidates"])
    equal([race["directory"] for race in history(state, "-d", elsewhere)], [str(elsewhere)], "those in one directory")
    equal(history(state, "--limit", "2"), races[:2], "the newest two")
    check_text(state, races)


def check_races(races, second, elsewhere):
    equal([race["time"] for race in races], sorted((race["time"] for race in races), reverse=True), "times, newest first")
    for race in races:
        equal(tuple(race), RACE, "keys")
        equal((race["goal"], race["rounds"], race["accelerator"]), ("throughput", 3, second["accelerator"]), "race")
        assert race["seconds"] > 0 and race["storage"] and race["qemu"] and race["kernel"], race
    race = races[4]
    equal((race["directory"], race["kernel"], race["vcpus"]), (str(elsewhere), second["guest"]["kernel"], second["guest"]["vcpus"]),
          "the second race")
    equal((race["best"], race["recommended"]), (second["best"], second["recommended"]), "who won in the second race")
    for ours, theirs in zip(race["candidates"], second["candidates"], strict=True):
        equal((ours["id"], ours["disk"], ours["rounds"]), (theirs["id"], theirs["disk"], theirs["rounds"]), "candidate")
        share = theirs["share_of_host"]["robust"]
        assert abs(ours["share_of_host"]["robust"] / share - 1) < 1e-6, f"share of {ours['id']}"


def check_text(state, races):
    lines = history_text(state, TZ="UTC").splitlines()
    assert lines[0].split()[:3] == ["time", "work", "goal"], lines[0]
    for race, line in zip(races, lines[1:]):
        assert line.strip().startswith(race["time"][:16].replace("T", " ")), f"{line!r} is not of {race['time']}"
        assert race["recommended"] in line and race["directory"] in line and race["storage"] in line, line
    west = history_text(state, "--limit", "1", TZ="XXX+5").splitlines()[1]
    assert west.split()[1] != lines[1].split()[1], f"not the local time: {west!r}"


@case("the text says which race this one starts from")
def header():
    state = new_state()
    tune(state)
    decide(state, "raw-threads")
    result = run("tune", "-d", _directory, *SMALL, *TWO, "--replicas", "1", "--no-confirm",
                 env={"VIRT_DISKTUNE_STATE_DIR": str(state)})
    assert_done(result)
    assert re.search(r"^Starts from an earlier race of \d{4}-\d\d-\d\d: raw-threads won$", result.out, re.M), result.out


# --- Without a history ----------------------------------------------------------------------------

@case("a damaged history is one warning of a race, which stays as it is, and an error of the list")
def damaged():
    state = new_state()
    file = state / "history.sqlite3"
    file.write_bytes(b"not a database, by any means" * 100)
    before = file.read_bytes()
    report = tune(state)
    equal((report["history"], len(of_history(report))), (None, 1), "history and warnings")
    assert "earlier races are not known" in of_history(report)[0], report["warnings"]
    equal(file.read_bytes(), before, "the file")
    equal(len(of_history(tune(state, "--cold"))), 1, "warnings with --cold")
    assert_error(run("history", env={"VIRT_DISKTUNE_STATE_DIR": str(state)}), "history.sqlite3: file is not a database")


def state_on(mount_options):
    """A state directory on a file system of its own; what is needed to start a guest is in it."""
    real = new_state()
    state = mounted(["-t", "tmpfs", *mount_options, "tmpfs"], scratch("mounted"))
    for entry in real.iterdir():
        (state / entry.name).symlink_to(entry)
    return state


@case("a state directory that is full or read-only is one warning of a race")
def no_room():
    full = state_on(["-o", "size=64k"])
    fill_up(full)
    report = tune(full)
    equal(len(of_history(report)), 1, f"warnings of a full disk, of {report['warnings']}")
    equal(history(full), [], "races on the full disk")
    state = state_on([])
    tune(state)
    decide(state, "raw-native")
    subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
    report = tune(state)
    equal(report["history"]["prior"], ["raw-native"], "what a read-only history has")
    equal(len(of_history(report)), 1, f"warnings of a read-only directory, of {report['warnings']}")
    equal(len(history(state)), 1, "races")


# --- Arguments ------------------------------------------------------------------------------------

@case("arguments of history that make no sense are errors")
def arguments():
    for limit in ("", "0", "-1", "x", "1.5", "4294967296"):
        assert_error(run("history", f"--limit={limit}"), "--limit")
    assert_error(run("history", "stray"), "'stray'")
    assert_error(run("history", "--frobnicate"), "frobnicate", hint="--help")
    assert_error(run("history", "-d", ""), "--directory")


@case("a directory that is gone, or has an odd name, is no error, and its races no others'")
def odd_directories():
    state = scratch("state")
    for name in ("/nowhere", "no/where", "'; DROP TABLE race; --", os.fsdecode(b"/\xff\xfe"), "two\nlines"):
        equal(history(state, "-d", name), [], f"races in {name!r}")
    assert json.loads(run("history", "--json").out) == {"races": []}


if __name__ == "__main__":
    main()
