#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `tune` to this: where KVM works, the probe guest runs under it, and the report says so."""

from harness import SMALL, TWO, Skip, assert_done, assert_error, assert_nothing_left, case, equal, main, new_state, run, run_json, scratch

_directory = scratch()
_tried = []


def race_under(accelerator):
    return run("tune", "-d", _directory, *SMALL, *TWO, "--rounds", "1", "--accel", accelerator)


def need_kvm():
    """Skip with the program's own words, which have to be a clean error, and of KVM: without it the same is done. Tried
    once, because a hang takes its time."""
    if not _tried:
        _tried.append(race_under("kvm"))
        if _tried[0].status:
            assert_done(race_under("tcg"))
    if _tried[0].status:
        raise Skip(assert_error(_tried[0], "the probe guest")[0].removeprefix("virt-disktune: "))


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
