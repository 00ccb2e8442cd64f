#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `tune` to this: where KVM works, the probe guest runs under it, and the report says so."""

from harness import SMALL, TWO, Skip, assert_done, assert_error, assert_nothing_left, case, equal, main, new_state, run, run_json, scratch

_directory = scratch()
_tried = []


def need_kvm():
    """Skip with the program's own words, which have to be a clean error; tried once, because a hang takes its time."""
    if not _tried:
        _tried.append(run("tune", "-d", _directory, *SMALL, *TWO, "--rounds", "1", "--accel", "kvm"))
    if _tried[0].status:
        raise Skip(assert_error(_tried[0], ".")[0].removeprefix("virt-disktune: "))
    assert_done(_tried[0])


@case("with --accel kvm the guest runs under KVM")
def asked_for():
    need_kvm()
    report = run_json("tune", "-d", _directory, *SMALL, *TWO, "--accel", "kvm")
    equal(report["accelerator"], "kvm", "accelerator")
    assert not any("emulated" in warning for warning in report["warnings"]), report["warnings"]
    assert_nothing_left(_directory)


@case("left alone, a host whose KVM works uses it, and remembers nothing against it")
def found():
    need_kvm()
    state = new_state(know_kvm=False)
    report = run_json("tune", "-d", _directory, *SMALL, *TWO, env={"VIRT_DISKTUNE_STATE_DIR": str(state)})
    equal(report["accelerator"], "kvm", "accelerator")
    equal(report["accelerator_note"], None, "note")
    assert not (state / "kvm-hangs.json").exists(), "it says that KVM hangs"
    assert_nothing_left(_directory)


if __name__ == "__main__":
    main()
