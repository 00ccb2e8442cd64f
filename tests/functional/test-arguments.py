#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the program to this: whatever it is called with, the answer is the help, a result, or one line of error.

An error is exit status 2, nothing on standard output, one line `virt-disktune: …` and at most one `hint: …`.
No case here may start a guest or write a byte, so wrong values are refused before anything is done.
"""

import os

from harness import Skip, assert_done, assert_error, assert_nothing_left, case, equal, main, run, scratch

VERBS = ("measure", "tune")
BAD_SIZES = ("", "-1", "-1M", "1X", "M", "0x10M", "1.5M", " 1M", "18446744073709551616", "18446744073709551615T", "1M1", "nan")
BAD_NUMBERS = ("", "-1", "1.5", "x", "1x", " 1", "+1", "18446744073709551616")

_directory = scratch()


def refuse(pattern, *arguments, hint=None, **more):
    return assert_error(run(*arguments, timeout=30, **more), pattern, hint)


def refuse_values(verb, option, values, pattern=None):
    for value in values:
        try:
            refuse(pattern or option, verb, "-d", _directory, f"{option}={value}")
        except AssertionError as error:
            raise AssertionError(f"{verb} {option}={value!r}: {error}") from None
    assert not list(_directory.iterdir()), "a refused run has written"


# --- The program ----------------------------------------------------------------------------------

@case("no verb, an empty verb and an unknown verb are errors with a hint at the help")
def verbs():
    refuse("no verb", hint="--help")
    refuse("verb", "", hint="--help")
    refuse("'frobnicate'", "frobnicate", hint="--help")
    refuse("'--frobnicate'|unknown option", "--frobnicate", hint="--help")
    refuse("verb", "-c", "qemu:///system", hint="--help")


@case("--help of the program lists its verbs")
def program_help():
    for option in ("--help", "-h", "help"):
        result = run(option)
        assert_done(result)
        assert all(f"  {verb} " in result.out for verb in (*VERBS, "history")), result.out
        assert result.err == "", result.err


@case("--version says name and version")
def version():
    result = run("--version")
    assert_done(result)
    assert result.out.startswith("virt-disktune ") and result.out.count("\n") == 1, result.out


@case("--help of each verb lists its options on standard output")
def verb_help():
    common = ("--json", "--quiet", "--verbose", "--connect=", "--help", "--directory=", "--size=", "--rw=",
              "--rwmixread=", "--block=", "--depth=", "--zeros", "--fresh")
    own = {"measure": ("--guest", "--disk=", "--rewrite", "--accel=", "--vcpus=", "--kernel=", "--emulator="), "tune": ("--candidates=", "--cold", "--time=", "--rounds=", "--margin=", "--exhaustive", "--no-confirm", "--axes=", "--fix=", "--list-axes",
                                   "--allow-host-cache", "--slice=", "--replicas=", "--seed=",
                                   "--accel=", "--vcpus=", "--kernel=", "--emulator=")}
    for verb in VERBS:
        result = run(verb, "--help")
        assert_done(result)
        missing = [option for option in common + own[verb] if option not in result.out]
        assert not missing, f"{verb} --help lacks {missing}"
        assert result.err == "", result.err


@case("help and version that cannot be written are an error")
def full_output():
    if not os.path.exists("/dev/full"):
        raise Skip("there is no /dev/full")
    for option in ("--help", "--version"):
        with open("/dev/full", "wb") as full:
            assert_error(run(option, stdout=full), "standard output")


@case("an unknown option, a missing value and a stray argument are errors")
def strays():
    for verb in ("apply", "capture", "check", "explain", "history", "rollback", "status", "verify"):
        refuse("frobnicate", verb, "--frobnicate", hint="--help")
    for verb in VERBS:
        refuse("frobnicate", verb, "-d", _directory, "--frobnicate", hint="--help")
        refuse("directory", verb, "--directory", hint="--help")
        # tune takes one, which is a domain.
        refuse("'stray'", verb, "-d", _directory, *(["web"] if verb == "tune" else []), "stray", hint="--help")


@case("an argument that is not UTF-8, or holds a line break, still gives one line")
def odd_bytes():
    refuse("verb", b"\xff\xfe".decode("utf-8", "surrogateescape"))
    refuse("verb", "two\nlines")
    for verb in VERBS:
        refuse("--size", verb, "-d", _directory, "--size", "1\n2\x1b[31m")
        result = run(verb, "-d", _directory, "--size", b"\xff1".decode("utf-8", "surrogateescape"))
        assert_error(result, ".")


@case("an option that takes no value is refused one: --fresh=no would otherwise mean --fresh")
def flag_values():
    for verb in VERBS:
        # The size keeps a program that does not refuse it from measuring.
        refuse("--fresh", verb, "-d", _directory, "--fresh=no", "--size", "1000000T", hint="--help")


# --- Directories ----------------------------------------------------------------------------------

@case("a directory that is missing, absent, empty or a file is an error")
def directories():
    file = _directory.parent / "file"
    file.write_text("")
    for verb in VERBS:
        refuse("--directory", verb, hint="directory")
        refuse("No such file", verb, "-d", _directory / "absent")
        refuse("directory", verb, "-d", "")
        refuse("[Nn]ot a directory", verb, "-d", file)
        refuse("[Nn]ot a directory", verb, "-d", file / "below")


@case("a directory that forbids writing is an error")
def forbidden():
    # The kernel refuses even root a new file in /proc.
    for verb in VERBS:
        refuse("/proc", verb, "-d", "/proc")


# --- Values ---------------------------------------------------------------------------------------

@case("a size that is none, or does not fit, is refused")
def sizes():
    for verb in VERBS:
        refuse_values(verb, "--size", BAD_SIZES)
        refuse_values(verb, "--block", BAD_SIZES)
        refuse_values(verb, "--block", ("0", "1", "511", "513", "17M", "16T"), "block size|--block")
        refuse_values(verb, "--size", ("0", "1"))


@case("a size that no disk has is refused before a byte is written")
def huge():
    # Before the space, tune looks for a kernel and libvirt, which this suite does not need.
    lines = refuse(r"need .*TiB", "measure", "-d", _directory, "--size", "1000000T")
    assert "free" in lines[0], lines
    # Those beyond 2^63 are where rounding up or adding up would wrap around.
    for size in ("1000000T", "9223372036854775807", "18446744073709551615", "16383P"):
        for verb in VERBS:
            refuse(".", verb, "-d", _directory, "--size", size)
    refuse(".", "tune", "-d", _directory, "--size", "1152921504606846976", "--replicas", "8")
    assert_nothing_left(_directory)


@case("a depth that is none, or out of range, is refused")
def depths():
    for verb in VERBS:
        refuse_values(verb, "--depth", BAD_NUMBERS + ("0", "1000000"))


@case("a direction that is none, and a share of reads out of place, are refused")
def directions():
    for verb in VERBS:
        refuse_values(verb, "--rw", ("", "READ", "write,read", "trim"))
        refuse("--rwmixread", verb, "-d", _directory, "--rwmixread", "50")
        refuse("--rwmixread", verb, "-d", _directory, "--rw", "randread", "--rwmixread", "100")
        for value in BAD_NUMBERS + ("101",):
            refuse("--rwmixread", verb, "-d", _directory, "--rw", "rw", f"--rwmixread={value}")
        refuse("--fresh", verb, "-d", _directory, "--fresh", "--rw", "read")
        refuse("--fresh", verb, "-d", _directory, "--fresh", "--rw", "randrw", "--rwmixread", "100")


@case("times, counts and names of tune that are none, or out of range, are refused")
def tune_values():
    times = ("", "-1", "x", "1x", "0x10", "nan", "inf", "1e400", "1e30", "5 ms")
    refuse_values("tune", "--time", times)
    refuse_values("tune", "--slice", times + ("0", "1us", "11s", "1h"))
    refuse_values("tune", "--rounds", BAD_NUMBERS + ("0", "4294967296"))
    refuse_values("tune", "--replicas", BAD_NUMBERS + ("0", "9"))
    refuse_values("tune", "--margin", ("", "-1", "x", "1x", "nan", "inf", "0", "51", "2%%", " 2", "1e3"))
    refuse_values("tune", "--goal", ("", "speed", "CPU", "cpu,", "cpu:0", "cpu:x", "cpu:1:2", "latency;cpu"))
    refuse_values("tune", "--vcpus", BAD_NUMBERS + ("0", "257"))
    refuse_values("tune", "--seed", BAD_NUMBERS + ("2147483648",))
    refuse_values("tune", "--accel", ("", "KVM", "hvf"))
    refuse_values("tune", "--size", ("1M", "3M"))
    refuse("16 requests", "tune", "-d", _directory, "--size", "8M", "--block", "1M")


# --- Candidates -----------------------------------------------------------------------------------

@case("an unknown candidate is an error that lists the known")
def unknown_candidate():
    lines = refuse("'raw-nativ'", "tune", "-d", _directory, "--candidates", "raw-threads,raw-nativ", hint="candidates are")
    for known in ("raw-native", "raw-io_uring-iothread", "qcow2-threads", "qcow2-prealloc-native-iothread"):
        assert known in lines[1], f"{known} is not in {lines[1]!r}"


@case("a candidate that a rule leaves out cannot be named, and the error gives the rule")
def left_out_candidate():
    refuse("qcow2-native cannot be tried: .*native.*allocates", "tune", "-d", _directory, "--candidates", "qcow2-native")


@case("candidates from a file that is missing, empty or a directory are an error")
def candidate_files():
    comments = _directory.parent / "comments"
    comments.write_text("# nothing\n\n   \n")
    refuse("No such file", "tune", "-d", _directory, "--candidates", _directory / "absent")
    refuse("no candidate", "tune", "-d", _directory, "--candidates", comments)
    refuse(".", "tune", "-d", _directory, "--candidates", _directory)
    refuse("no candidate", "tune", "-d", _directory, "--candidates", "")
    refuse("no candidate", "tune", "-d", _directory, "--candidates", ",,")


@case("an axis or a value that is none is an error that lists the known, and --list-axes has all of them")
def axes():
    for value in ("", "speed", "io,speed", "io=native"):
        refuse("--axes: there is no axis", "tune", "-d", _directory, "--axes", value, hint="image, cluster")
    refuse("--fix: there is no axis 'speed'", "tune", "-d", _directory, "--fix", "speed=high", hint="image, cluster")
    refuse("--fix: 'io' has to be AXIS=VALUE", "tune", "-d", _directory, "--fix", "io")
    refuse("--fix: cache is never 'unsafe'", "tune", "-d", _directory, "--fix", "cache=unsafe", hint="none, directsync")
    refuse("--fix: '' has to be AXIS=VALUE|--fix", "tune", "-d", _directory, "--fix", "io=threads,")
    result = run("tune", "--list-axes")
    assert_done(result)
    refuse("--list-axes prints text", "tune", "--list-axes", "--json")
    for axis in ("image", "cluster", "extended_l2", "io", "cache", "iothread", "queues", "discard", "detect_zeroes"):
        assert f"\n{axis} " in "\n" + result.out, result.out


# --- The URI --------------------------------------------------------------------------------------

@case("-c stands before or after the verb and means the same")
def connect():
    uri = "qemu+unix:///system?socket=/no-such-socket"
    orders = (["-c", uri, "tune"], ["--connect", uri, "tune"], [f"--connect={uri}", "tune"], ["tune", "-c", uri])
    for order in orders:
        lines = refuse("cannot connect to libvirt|no kernel", *order, "-d", _directory, "-w", "dd", "--size", "8M")
        if "no kernel" in lines[0]:
            raise Skip("without a kernel for the guest, tune does not get as far as libvirt")
        assert uri in lines[0], f"{order}: {lines}"
        assert lines[1:] == ["hint: is the daemon running? Without -c this needs none"], lines
    # A domain is asked of a daemon in any case.
    equal(refuse("cannot connect to libvirt", "check", "-c", uri)[1:], ["hint: is the daemon running?"], "hint of check")
    assert_nothing_left(_directory)


@case("a URI of another hypervisor, or of none, is an error")
def other_hypervisors():
    arguments = ("-d", _directory, "-w", "dd", "--size", "8M", "--candidates", "raw-threads")
    for uri in ("test:///default", "test:///no-such-file", "nonsense", "nonsense:///system"):
        refuse(".", "tune", "-c", uri, *arguments)
    assert_nothing_left(_directory)


if __name__ == "__main__":
    main()
