#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`explain` on disks of the probe guest: what it prints, for which disks and works, and how it ends. Whether what it
says is true is asked in test-explain-truth and test-layers."""

import platform
import signal
import subprocess

from harness import (Run, assert_done, assert_error, assert_nothing_left, case, equal, main, run, run_json, scratch)

_directory = scratch("images")
QUICK = ("--rounds", "2", "--slice", "20ms", "--size", "4M")
DIRECT = ["guest", "virtio", "format", "aio", "host", "device", "unexplained"]


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


@case("one request at a time: every layer, each with its interval, and disks that differ in one of them")
def single():
    report = explain("-d", _directory)
    equal(layers(report), DIRECT, "layers")
    check_sum(report)
    for layer in report["layers"]:
        assert layer["low_us"] <= layer["us"] <= layer["high_us"] and layer["measured"], layer
        equal(layer["zero"], layer["low_us"] <= 0 <= layer["high_us"], "zero")
    variants = {variant["name"]: variant for variant in report["variants"]}
    equal(sorted(variants), sorted(["raw", "nothing behind it", "io=native", "io=io_uring", "iothread"]), "variants")
    assert variants["nothing behind it"]["change"]["us"] < 0, variants["nothing behind it"]
    equal((report["rounds"], report["depth"]["set"], report["state"]), (2, 1, "rewrite"), "the run")
    for kind in ("guest", "qemu"):
        equal(round(report["requests_per_request"][kind]), 1, f"requests of {kind} for each of the program's")
    names = {group["name"] for group in report["threads"]}
    assert {"main loop"} < names and any("vCPU" in name for name in names), names


@case("many requests at a time: times are those in a layer, and the depth that was set is found")
def deep():
    report = explain("-d", _directory, "-w", "randread", "--disk", "raw-native")
    equal(layers(report), ["guest", "virtio", "kernel", "device", "unexplained"], "layers")
    check_sum(report)
    depth = report["depth"]
    equal(depth["set"], 32, "depth")
    assert 0 < depth["device"] <= depth["qemu"] <= depth["guest"] < 32.5, depth


@case("the disk of a domain that uses the host's page cache, on an older machine; first writes of one that grows")
def others():
    image, path = _directory / "disk.qcow2", _directory / "domain.xml"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    before = image.read_bytes()
    machine = "pc" if platform.machine() == "x86_64" else "virt"
    path.write_text("<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
                    f"<os><type arch='{platform.machine()}' machine='{machine}'>hvm</type></os><devices>"
                    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='writeback'/>"
                    f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices></domain>")
    report = explain("--xml", path)
    equal(layers(report), ["guest", "virtio", "format", "cache", "unexplained"], "layers")
    variants = {variant["name"]: variant for variant in report["variants"]}
    assert "failure" in variants["io=native"] and "change" in variants["cache=none"], variants
    equal(image.read_bytes(), before, "the domain's image")
    report = explain("-d", _directory, "--fresh", "--size", "64M")
    equal(layers(report), DIRECT[:2] + ["allocation"] + DIRECT[2:], "layers of first writes")
    equal(report["state"], "fresh", "state")


@case("the text fits 80 columns: a bar as long as the request, and a line for each layer")
def text():
    result = run("explain", *QUICK, "-d", _directory)
    assert_done(result)
    lines = result.out.splitlines()
    # Of names, and of reasons to doubt, nobody knows the length.
    wide = [line for line in lines[3:lines.index("Read these figures with care:")] if len(line) > 80]
    assert not wide, wide
    bar = next(line for line in lines if line[2:] and set(line[2:]) <= set("gvnfackhdl?t"))
    equal(len(bar), 78, "columns of the bar")
    assert "program, guest's kernel" in result.out and "nothing behind it" in result.out, result.out


@case("a signal ends it, with what is known by then, and nothing is left")
def interrupted():
    process = Run("explain", "-d", _directory, "--size", "4M", "--slice", "20ms", "--time", "100", "--verbose")
    process.reach("measuring")
    process.signal(signal.SIGINT)
    process.wait()
    assert process.status in (1, 2), f"status {process.status}: {process.err}"
    assert_nothing_left(_directory)


@case("what cannot be explained is an error with a hint")
def refused():
    assert_error(run("explain"), "needs a domain, or --directory", "directory")
    assert_error(run("explain", "-d", _directory, "-w", "general"), "one work can be explained at a time", "--workload")
    assert_error(run("explain", "-d", _directory, "--disk", "nothing"), "--disk", None)
    assert_error(run("explain", "-d", _directory, "--slice", "1ms"), "--slice: has to be between")
    assert_error(run("explain", "-d", _directory, "--runtime", "3s"), "go with --live")
    assert_error(run("explain", "web", "--live", "-w", "dd"), "--live looks at what runs")
    assert_error(run("explain", "-d", _directory, "--rounds", "1"), "--rounds")
    assert_nothing_left(_directory)


if __name__ == "__main__":
    main()
