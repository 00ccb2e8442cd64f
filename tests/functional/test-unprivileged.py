#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the program to this: whoever may write in a directory can measure and tune there, without being root.

As root the cases run as another user, with a home of its own and a copy of the program that this user can reach.
"""

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

from harness import (SMALL, TWO, Skip, assert_done, assert_error, assert_nothing_left, case, default_state, equal, main,
                     run)
from other_user import GID, UID, open_program, open_scratch

_place = {}


def prepare():
    """The home of the other user, once: with directory and kernels."""
    if _place:
        return _place
    home = open_scratch("home")
    directory, state = home / "images", home / ".local/state/virt-disktune"
    directory.mkdir()
    state.mkdir(parents=True)
    real = default_state()
    if (real / "kernels").is_dir():
        (state / "kernels").symlink_to(real / "kernels")
    if (real / "kvm-hangs.json").is_file():
        (state / "kvm-hangs.json").write_text((real / "kvm-hangs.json").read_text())
    for path in (home, *home.rglob("*")):
        if not path.is_symlink() and os.geteuid() == 0:
            os.chown(path, UID, GID)
    _place.update(home=home, directory=directory, program=open_program(), runtime=Path(f"/tmp/virt-disktune-{UID}"))
    return _place


def as_user(*arguments, runtime=None):
    place = prepare()
    environment = {"HOME": str(place["home"]), "VIRT_DISKTUNE_STATE_DIR": None, "XDG_RUNTIME_DIR": runtime,
                   "XDG_STATE_HOME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
    who = {"user": UID, "group": GID, "extra_groups": []} if os.geteuid() == 0 else {}
    return run(*arguments, env=environment, cwd=place["directory"], program=place["program"], **who)


def tune(*more, **how):
    return as_user("tune", "-d", prepare()["directory"], *SMALL, "--rounds", "1", "--json", *more, **how)


def check(result, runtime=None):
    assert_done(result)
    report = json.loads(result.out)
    assert report["candidates"] and all("failure" not in candidate for candidate in report["candidates"]), report
    assert_nothing_left(prepare()["directory"], runtime or prepare()["runtime"])


@case("measure works for a user")
def measure():
    directory = prepare()["directory"]
    result = as_user("measure", "-d", directory, "--size", "8M", "--json")
    assert_done(result)
    assert json.loads(result.out)["host"]["mb_per_s"] > 0, result.out
    assert_nothing_left(directory, prepare()["runtime"])


@case("tune works for a user with nothing but a home, and leaves nothing in it but its memory")
def bare():
    check(tune(*TWO))
    home = prepare()["home"]
    found = {str(path.relative_to(home)) for path in home.rglob("*") if not path.is_symlink() and path.is_file()}
    # libvirt keeps a cache of its own there, whoever uses it.
    expected = (".cache/virt-disktune/", ".local/state/virt-disktune/", ".cache/libvirt/")
    equal([path for path in found if not path.startswith(expected)], [], "files in the home")


@case("tune works in the runtime directory of a session")
def session():
    # As short as the real one, /run/user/UID: sockets have to fit in below.
    runtime = Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))
    atexit.register(shutil.rmtree, runtime, ignore_errors=True)
    if os.geteuid() == 0:
        os.chown(runtime, UID, GID)
    check(tune("--candidates", "raw-threads", "--replicas", "1", runtime=str(runtime)), runtime / "virt-disktune")


@case("a runtime directory whose path is too long for sockets gives an error, or works")
def long_runtime():
    home = prepare()["home"]
    runtime = home / ("x" * max(1, 150 - len(str(home)) - 1))
    runtime.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(runtime, UID, GID)
    result = tune("--candidates", "raw-threads", "--replicas", "1", runtime=str(runtime))
    if result.status:
        assert_error(result, "too long")
    assert_nothing_left(prepare()["directory"], runtime / "virt-disktune")


@case("a runtime directory that the user cannot write gives an error")
def foreign_runtime():
    if os.geteuid() != 0:
        raise Skip("needs a directory of another user's")
    foreign = prepare()["home"].parent / "foreign"
    foreign.mkdir(mode=0o755)
    assert_error(tune("--candidates", "raw-threads", runtime=str(foreign)), "Permission denied")
    assert_nothing_left(prepare()["directory"], prepare()["runtime"])


@case("a runtime directory below /tmp that another user made first is refused")
def squatted_runtime():
    if os.geteuid() != 0:
        raise Skip("needs a directory of another user's")
    runtime = prepare()["runtime"]
    if runtime.is_dir():
        assert not list(runtime.iterdir()), "a run of this user is going on"
        runtime.rmdir()
    runtime.mkdir(mode=0o777)
    try:
        assert_error(tune("--candidates", "raw-threads"), "not a directory of this user")
    finally:
        runtime.rmdir()


@case("a directory that the user cannot write gives an error")
def foreign_directory():
    if os.geteuid() != 0:
        raise Skip("needs a directory of another user's")
    foreign = prepare()["home"].parent / "images"
    foreign.mkdir(mode=0o755)
    for verb in ("measure", "tune"):
        assert_error(as_user(verb, "-d", foreign, "-w", "dd", "--size", "8M"), "Permission denied")
    assert_nothing_left(foreign, prepare()["runtime"])


@case("a kernel that the user cannot read gives an error that says what to do")
def unreadable_kernel():
    kernel = prepare()["home"].parent / "vmlinuz-1.2.3"
    kernel.write_bytes(b"MZ" + bytes(1000))
    kernel.chmod(0)
    if os.geteuid() != 0 and os.access(kernel, os.R_OK):
        raise Skip("nothing is unreadable to this user")
    assert_error(tune("--candidates", "raw-threads", "--kernel", kernel), "Permission denied|read")
    assert_nothing_left(prepare()["directory"], prepare()["runtime"])


if __name__ == "__main__":
    main()
