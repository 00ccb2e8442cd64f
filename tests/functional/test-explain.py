#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`explain` on disks of the probe guest: what it prints, for which disks and works, and how it ends. Whether what it
says is true is asked in test-explain-truth and test-layers."""

import json
import platform
import signal
import subprocess
import time

from harness import (Run, assert_done, assert_error, assert_nothing_left, case, equal, main, run, run_json, scratch)

_directory = scratch("images")
QUICK = ("--rounds", "2", "--slice", "20ms", "--size", "4M")
DIRECT = ["guest", "filesystem", "virtio", "format", "aio", "host", "device", "unexplained"]


def explain(*arguments):
    report = run_json("explain", *QUICK, *arguments)
    assert_nothing_left(_directory)
    return report


def layers(report):
    return [layer["layer"] for layer in report["layers"]]


def check_sum(report):
    """That layers and rest make up the request."""
    whole = sum(layer["us"] for layer in report["layers"])
    assert abs(whole - report["guest_request"]["us"]) < 0.01, f"{whole} of {report['guest_request']}"


def domain_xml(image, driver):
    machine = "pc" if platform.machine() == "x86_64" else "virt"
    return ("<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
            f"<os><type arch='{platform.machine()}' machine='{machine}'>hvm</type></os><devices>"
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2' {driver}/>"
            f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices></domain>")


@case("one request at a time: every layer, each with its interval, and disks that differ in one of them")
def single():
    # So many that a disk with nothing behind it is faster, whatever else the machine does.
    report = explain("-d", _directory, "--rounds", "8")
    equal(layers(report), DIRECT, "layers")
    check_sum(report)
    for layer in report["layers"]:
        assert layer["low_us"] <= layer["us"] <= layer["high_us"] and layer["measured"], layer
        equal(layer["zero"], layer["low_us"] <= 0 <= layer["high_us"], "zero")
    variants = {variant["name"]: variant for variant in report["variants"]}
    equal(sorted(variants), sorted(["ext4 on it", "raw", "nothing behind it", "io=native", "io=io_uring", "iothread"]), "variants")
    assert variants["nothing behind it"]["change"]["us"] < 0, variants["nothing behind it"]
    equal((report["rounds"], report["depth"]["set"], report["state"], report["filesystem"]),
          (8, 1, "rewrite", "ext4"), "the run")
    equal(variants["ext4 on it"]["request"], report["guest_request"], "the request is one of a file")
    for kind in ("guest", "qemu"):
        equal(round(report["requests_per_request"][kind]), 1, f"requests of {kind} for each of the program's")
    names = {group["name"] for group in report["threads"]}
    assert {"main loop"} < names and any("vCPU" in name for name in names), names
    equal(report["interrupted"], False, "interrupted")


@case("many requests at a time: times are those in a layer, and the depth that was set is found")
def deep():
    report = explain("-d", _directory, "-w", "randread", "--disk", "raw-native")
    equal(layers(report), ["guest", "filesystem", "virtio", "kernel", "device", "unexplained"], "layers")
    check_sum(report)
    depth = report["depth"]
    equal(depth["set"], 32, "depth")
    assert 0 < depth["device"] <= depth["qemu"] <= depth["guest"] < 32.5, depth


@case("the disk of a domain that uses the host's page cache, on an older machine; first writes of one that grows")
def others():
    image, path = _directory / "disk.qcow2", _directory / "domain.xml"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    before = image.read_bytes()
    path.write_text(domain_xml(image, "cache='writeback'"))
    report = explain("--xml", path)
    equal(layers(report), ["guest", "filesystem", "virtio", "format", "cache", "unexplained"], "layers")
    variants = {variant["name"]: variant for variant in report["variants"]}
    assert "failure" in variants["io=native"] and "change" in variants["cache=none"], variants
    equal(image.read_bytes(), before, "the domain's image")
    report = explain("-d", _directory, "--fresh", "--size", "64M")
    equal(layers(report), DIRECT[:3] + ["allocation"] + DIRECT[3:], "layers of first writes")
    equal(report["state"], "fresh", "state")


@case("the text fits 80 columns: a bar as long as the request, and a line for each layer")
def text():
    result = run("explain", *QUICK, "-d", _directory)
    assert_done(result)
    lines = result.out.splitlines()
    # Of names, and of reasons to doubt, nobody knows the length.
    doubts = "Read these figures with care:"
    wide = [line for line in lines[3:lines.index(doubts) if doubts in lines else None] if len(line) > 80]
    assert not wide, wide
    bar = next(line for line in lines if line[2:] and set(line[2:]) <= set("gsvnfackhd?t"))
    equal(len(bar), 78, "columns of the bar")
    assert "program, guest's kernel" in result.out and "nothing behind it" in result.out, result.out


@case("without a file system in the guest; and where none can be had, that is said, and the disk itself explained")
def no_filesystem():
    report = explain("-d", _directory, "--filesystem", "none")
    equal((layers(report), report["filesystem"]), (DIRECT[:1] + DIRECT[2:], None), "layers")
    assert "ext4 on it" not in {variant["name"] for variant in report["variants"]}
    broken = scratch("settings") / "mke2fs.conf"
    broken.write_text("[defaults\n")
    report = run_json("explain", *QUICK, "-d", _directory, env={"MKE2FS_CONFIG": str(broken)})
    equal((layers(report), report["filesystem"]), (DIRECT[:1] + DIRECT[2:], None), "layers without mke2fs")
    failure = next(v["failure"] for v in report["variants"] if v["name"] == "ext4 on it")
    assert "mke2fs failed" in failure, failure
    assert_nothing_left(_directory)


@case("a disk that stands on another image: work that reads finds its data there, and a file on it would not")
def chain():
    base, image, path = _directory / "base.qcow2", _directory / "top.qcow2", _directory / "chain.xml"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", image], check=True)
    path.write_text(domain_xml(image, "cache='none'"))
    report = explain("--xml", path, "-w", "randread")
    failure = next(v["failure"] for v in report["variants"] if v["name"] == "ext4 on it")
    assert "stands on" in failure and report["filesystem"] is None, failure
    report = explain("--xml", path)
    equal(report["filesystem"], "ext4", "of writes")
    check_sum(report)


@case("a signal before two rounds is an error, a later one ends it with what is known by then; nothing is left")
def interrupted():
    for pause in (0, 3, 10, 30, 90):
        process = Run("explain", "-d", _directory, "--size", "4M", "--slice", "20ms", "--time", "300", "--json",
                      "--verbose")
        process.reach("measuring")
        time.sleep(pause)
        process.signal(signal.SIGINT)
        process.wait()
        assert_nothing_left(_directory)
        if process.status == 1:
            break
        assert process.status == 2 and "interrupted by SIGINT" in process.err and not process.out, process.err
    equal(process.status, 1, "exit status after so many seconds")
    check_interrupted(process)


def check_interrupted(process):
    report = json.loads(process.out)
    assert report["interrupted"] and report["rounds"] >= 2, report["rounds"]
    assert any("interrupted after" in warning for warning in report["warnings"]), report["warnings"]
    check_sum(report)


@case("a signal after the rounds, while CPU times are read, takes nothing of them")
def interrupted_at_the_end():
    # On a busy machine that second may be over before the signal comes.
    for _ in range(5):
        process = Run("explain", "-d", _directory, *QUICK, "--json", "--verbose")
        process.reach("reading CPU times")
        process.signal(signal.SIGINT)
        process.wait()
        assert_nothing_left(_directory)
        if process.status == 1:
            break
        equal(process.status, 0, f"exit status, with {process.err!r}")
    equal(process.status, 1, "exit status")
    check_interrupted(process)


@case("what cannot be explained is an error with a hint")
def refused():
    assert_error(run("explain"), "needs a domain, or --directory", "directory")
    assert_error(run("explain", "-d", _directory, "-w", "general"), "one work can be explained at a time", "--workload")
    assert_error(run("explain", "-d", _directory, "--disk", "nothing"), "--disk", None)
    assert_error(run("explain", "-d", _directory, "--slice", "1ms"), "--slice: has to be between")
    assert_error(run("explain", "-d", _directory, "--runtime", "3s"), "go with --live")
    for options in (("-w", "dd"), ("--depth", "4"), ("--block", "4k"), ("--jobs", "2"), ("--rwmixread", "50"), ("--zeros",),
                    ("--fresh",), ("--accel", "tcg"), ("--vcpus", "2"), ("--emulator", "/bin/true")):
        assert_error(run("explain", "web", "--live", *options), "--live looks at what runs")
    assert_error(run("explain", "web", "--live", "--time", "5"), "--live looks at what runs", "--runtime")
    assert_error(run("explain", "-d", _directory, "--rounds", "1"), "--rounds")
    assert_error(run("explain", "-d", _directory, "--filesystem", "fat"), "'fat' is neither ext4 nor none")
    assert_nothing_left(_directory)


if __name__ == "__main__":
    main()
