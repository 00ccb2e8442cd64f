#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `check` to its contract, on files, images and libvirt's test driver: what it finds, what it does not, and what
hostile input does to it."""

import json
import os
import re
import subprocess
from pathlib import Path

from harness import assert_error, case, equal, main, run, scratch

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
# A host of which nothing is known: what is found there follows from the XML alone.
NOWHERE = scratch("nowhere")


def disk_xml(source, driver="cache='none'", form="qcow2", target="vda", bus="virtio", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{form}' {driver}/>"
            f"<source file='{source}'/><target dev='{target}' bus='{bus}'/>{more}</disk>")


def domain_xml(name, disks, kind="kvm", more=""):
    return (f"<domain type='{kind}'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>{more}"
            f"<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices>{disks}</devices></domain>")


def write(directory, name, text):
    path = Path(directory) / name
    path.write_text(text)
    return path


def image(path, *options, form="qcow2", size="64M"):
    subprocess.run(["qemu-img", "create", "-q", "-f", form, *options, str(path), size], check=True)
    return path


def check_json(*arguments, status=(0, 1), **more):
    result = run("check", *arguments, "--json", **more)
    assert result.status in status, f"exit status {result.status}: {result.err!r}"
    equal(result.err, "", "standard error")
    return json.loads(result.out)


def rules_of(findings):
    return [finding["rule"] for finding in findings]


def disk_rules(result, domain=0, disk=0):
    return rules_of(result["domains"][domain]["disks"][disk]["findings"])


def finding(result, rule, domain=0, disk=0):
    return next(f for f in result["domains"][domain]["disks"][disk]["findings"] if f["rule"] == rule)


# --- What it finds --------------------------------------------------------------------------------

@case("the story's own disk: what was found by hand, and what was not")
def the_story():
    directory = scratch()
    path = image(directory / "web.qcow2")
    xml = write(directory, "web.xml", domain_xml("web", disk_xml(path)))
    result = check_json("--xml", xml, status=(1,))
    io = finding(result, "io-threads")
    equal(io["severity"], "warning", "io-threads")
    assert re.search(r"<driver name=.qemu. type=.qcow2. cache=.none. io=.(io_uring|native)./>", io["fix"]["text"]), io
    equal(io["fix"]["needs"], ["restart"], "needs")
    assert "iothread-none" in disk_rules(result), disk_rules(result)
    equal(result["domains"][0]["file"], str(xml), "the file")
    equal(result["domains"][0]["disks"][0]["source"], str(path), "the source")


@case("the remedies of a disk in one line, of what is shown, and where there are several")
def all_at_once():
    directory = scratch()
    path = image(directory / "web.qcow2")
    xml = write(directory, "web.xml", domain_xml("web", disk_xml(path, "cache='unsafe' error_policy='ignore'"), kind="qemu"))
    together = check_json("--xml", xml, status=(1,))["domains"][0]["disks"][0]["combined_fix"]
    assert {"cache-unsafe", "error-ignored"} < set(together["rules"]), together
    equal((together["kind"], together["needs"], together["left_out"]), ("xml", ["restart"], []), "what it is")
    assert "All of it at once (restart):\n      <driver " in run("check", "--xml", xml).out
    grave = run("check", "--xml", xml, "--level", "error").out
    equal(grave.partition("All of it at once (restart):\n")[2].splitlines()[0],
          "      <driver name='qemu' type='qcow2' cache='none' error_policy='enospace'/>", "of errors alone")
    # Who does as told is told nothing of it any more.
    write(directory, "web.xml", domain_xml("web", disk_xml(path), kind="qemu").replace(
        "<driver name='qemu' type='qcow2' cache='none'/>", together["text"]))
    disk, = check_json("--xml", xml)["domains"][0]["disks"]
    assert not set(rules_of(disk["findings"])) & set(together["rules"]), disk["findings"]
    equal(disk["combined_fix"], None, "what there is to put together")


@case("a disk as it should be has nothing above a note")
def as_it_should_be():
    directory = scratch()
    path = directory / "db.img"
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 8 << 20)
    xml = domain_xml("db", disk_xml(path, "cache='none' io='native' iothread='1' discard='unmap'", "raw"),
                     more="<iothreads>1</iothreads>")
    result = check_json("--xml", write(directory, "db.xml", xml), "--sysroot", NOWHERE)
    grave = [f for f in result["domains"][0]["disks"][0]["findings"] if f["severity"] != "note"]
    equal([f["rule"] for f in grave if f["rule"] != "image-unreadable"], [], "warnings and errors")


@case("what is at risk is an error, and exit status 1")
def at_risk():
    directory = scratch()
    xml = domain_xml("db", disk_xml(directory / "db.img", "cache='unsafe'", "raw"))
    result = run("check", "--xml", write(directory, "db.xml", xml))
    equal(result.status, 1, "exit status")
    assert "error: " in result.out and "[cache-unsafe]" in result.out, result.out
    assert re.search(r"^1 domain, 1 disk: [1-9]\d* errors?, ", result.out, re.M), result.out


@case("an image by itself: its header is read, and its chain")
def by_itself():
    directory = scratch()
    image(directory / "base.qcow2")
    image(directory / "top.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    old = image(directory / "old.qcow2", "-o", "compat=0.10")
    result = check_json("--image", directory / "top.qcow2", old)
    equal([d["image"] for d in result["domains"]], [str(directory / "top.qcow2"), str(old)], "images")
    equal(result["domains"][0]["disks"][0]["images_read"], 2, "images that were read")
    assert "image-old-version" in disk_rules(result, 1), disk_rules(result, 1)


@case("an image is neither changed nor locked, and a locked one is read")
def in_use():
    directory = scratch()
    path = image(directory / "used.qcow2")
    before = path.read_bytes(), os.stat(path).st_mtime_ns
    shell = subprocess.Popen(["qemu-io", "-f", "qcow2", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
    try:
        shell.stdin.write("length\n")
        shell.stdin.flush()
        shell.stdout.readline()
        result = check_json("--image", path)
        equal(result["domains"][0]["disks"][0]["images_read"], 1, "images that were read")
        shell.stdin.write("flush\n")
        shell.stdin.flush()
    finally:
        shell.communicate("quit\n", timeout=20)
    equal((path.read_bytes(), os.stat(path).st_mtime_ns), before, "the image")


@case("rules are listed, left out, and shown from a level on")
def rules():
    directory = scratch()
    xml = write(directory, "x.xml", domain_xml("x", disk_xml("/nowhere.img", "cache='unsafe'", "raw")))
    listed = run("check", "--list-rules")
    equal(listed.status, 0, "exit status")
    known = json.loads(run("check", "--list-rules", "--json").out)["rules"]
    assert len(known) > 60 and len({r["rule"] for r in known}) == len(known), "rules, each once"
    assert all(r["rule"] in listed.out and r["title"] and r["why"] and r["source"] for r in known)
    result = check_json("--xml", xml, "--skip", "cache-unsafe", "--sysroot", NOWHERE)
    assert "cache-unsafe" not in disk_rules(result) and disk_rules(result), disk_rules(result)
    shown = run("check", "--xml", xml, "--level", "error", "--sysroot", NOWHERE).out
    assert "[cache-unsafe]" in shown and "note: " not in shown and "warning: " not in shown, shown
    noted = write(directory, "y.xml", domain_xml("y", disk_xml("/nowhere.img", "cache='none'", "raw")))
    shown = run("check", "--xml", noted, "--level", "error", "--skip", "image-unreadable", "--sysroot", NOWHERE).out
    assert "nothing of this level" in shown and "nothing found" not in shown, shown
    assert_error(run("check", "--skip", "nonsense"), "there is no rule 'nonsense'", "--list-rules")
    assert_error(run("check", "--level", "bad"), "--level: 'bad'")


# --- Through libvirt ------------------------------------------------------------------------------

def node(directory, domains):
    return f"test://{write(directory, 'node.xml', '<node>' + ''.join(domains) + '</node>')}"


@case("domains of libvirt: all of them, those that are named, by a read-only connection")
def through_libvirt():
    directory = scratch()
    uri = node(directory, [domain_xml(name, disk_xml(f"/{name}.img", f"cache='{cache}'", "raw"), "test")
                           for name, cache in (("a", "none"), ("b", "unsafe"), ("c", "writethrough"))])
    everything = check_json("-c", uri, status=(1,))
    equal(sorted(d["name"] for d in everything["domains"]), ["a", "b", "c"], "domains")
    equal(everything["domains"], check_json("-c", uri, "--all", status=(1,))["domains"], "--all")
    some = check_json("-c", uri, "b", "c", status=(1,))
    equal([d["name"] for d in some["domains"]], ["b", "c"], "domains that are named")
    assert "cache-unsafe" in disk_rules(some, 0) and "cache-writethrough" in disk_rules(some, 1)
    assert_error(run("check", "-c", uri, "nosuch"), "there is no domain 'nosuch'", "has ")
    assert_error(run("check", "-c", "nonsense:///"), "cannot connect to libvirt")


@case("2,000 files in one call, each with its entry, in their order")
def many():
    directory = scratch()
    names = [f"vm{number}" for number in range(2000)]
    files = [write(directory, f"{name}.xml", domain_xml(name, disk_xml(f"/{name}.img"))) for name in names]
    files[1000].write_text("nonsense")
    result = check_json("--xml", *files, status=(1,))
    equal([d["file"] for d in result["domains"]], [str(f) for f in files], "files")
    equal([d["name"] for d in result["domains"] if d["name"]], names[:1000] + names[1001:], "names")


# --- Hostile input --------------------------------------------------------------------------------

BOMB = """<?xml version="1.0"?><!DOCTYPE domain [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d SYSTEM "file:///etc/passwd">]>
<domain type="kvm"><name>&c;&d;</name></domain>"""


@case("a file that cannot be read is a finding, and the others go on")
def unreadable():
    directory = scratch()
    deep = "<domain><name>x</name>" + "<a>" * 100000 + "</a>" * 100000 + "</domain>"
    bad = {"empty": "", "bomb": BOMB, "cut": "<domain><name>x", "other": "<network/>", "deep": deep,
           "nameless": "<domain type='kvm'><devices/></domain>", "big": "<domain>" + " " * (11 << 20) + "</domain>"}
    files = [write(directory, name, text) for name, text in bad.items()]
    (directory / "binary").write_bytes(bytes(range(256)) * 64)
    os.mkfifo(directory / "fifo")
    files += [directory / "binary", directory / "fifo", directory / "absent", directory]
    good = write(directory, "good.xml", domain_xml("good", disk_xml("/good.img")))
    result = check_json("--xml", *files, good, status=(1,))
    equal(len(result["domains"]), len(files) + 1, "entries")
    for entry in result["domains"][:-1]:
        equal(rules_of(entry["findings"]), ["unreadable"], entry["file"])
        equal(entry["findings"][0]["severity"], "error", entry["file"])
        assert "\n" not in entry["findings"][0]["summary"], entry
    equal(result["domains"][-1]["name"], "good", "the last one")
    equal(result["domains"][0]["findings"][0]["summary"], "the XML is empty", "what is said of an empty file")


@case("hostile images: loops, absurd headers, FIFOs, directories, names with line breaks")
def hostile_images():
    directory = scratch()
    loop = image(directory / "loop.qcow2")
    subprocess.run(["qemu-img", "rebase", "-u", "-b", "loop.qcow2", "-F", "qcow2", str(loop)], check=True)
    absurd = image(directory / "absurd.qcow2")
    with open(absurd, "r+b") as file:
        file.seek(20)
        file.write(b"\xff" * 60)
    os.mkfifo(directory / "fifo.qcow2")
    (directory / "dir.qcow2").mkdir()
    odd = image(directory / "odd\n\x1b[31m.qcow2")
    files = [loop, absurd, directory / "fifo.qcow2", directory / "dir.qcow2", odd, directory / "absent"]
    result = check_json("--image", *files, status=(0, 1))
    equal(len(result["domains"]), len(files), "entries")
    text = run("check", "--image", *files).out
    assert "\x1b" not in text and not re.search(r"^\[31m", text, re.M), "the terminal is safe"
    as_disks = [write(directory, f"{n}.xml", domain_xml("x", disk_xml(str(f).replace("\n", "&#10;").replace("\x1b", ""))))
                for n, f in enumerate(files)]
    equal(len(check_json("--xml", *as_disks, status=(1,))["domains"]), len(files), "domains")


@case("no symbolic link leads out of --sysroot")
def sysroot():
    directory = scratch()
    image(directory / "outside.qcow2")
    root = directory / "root"
    root.mkdir()
    (root / "in.qcow2").symlink_to(directory / "outside.qcow2")
    result = check_json("--image", "/in.qcow2", "--sysroot", root, status=(0, 1))
    equal(rules_of(result["domains"][0]["findings"]), ["unreadable"], "what is found")
    assert_error(run("check", "--sysroot", root), "is no capture", "--xml FILE")
    assert_error(run("check", "--sysroot", directory / "absent"), "absent")
    assert_error(run("check", "web", "--sysroot", root), "another host's")
    for uri in ("qemu+ssh://nohost.invalid/system", "test:///default"):
        assert_error(run("check", "--sysroot", root, "-c", uri, "--image", "/in.qcow2"), "--connect")


@case("a path with .. in it is the one that the kernel has, also behind a symbolic link")
def above_a_link():
    directory = scratch()
    (directory / "far" / "in").mkdir(parents=True)
    (directory / "link").symlink_to(directory / "far" / "in")
    image(directory / "a.qcow2")
    image(directory / "far" / "a.qcow2", "-o", "compat=0.10")
    for path, cwd in (("link/../a.qcow2", directory), ("../a.qcow2", directory / "link"), (directory / "link/../a.qcow2", None)):
        result = check_json("--image", path, status=(0, 1), cwd=cwd, env={"PWD": str(cwd)} if cwd else None)
        assert "image-old-version" in disk_rules(result), (path, disk_rules(result))


@case("the domains of a capture are read below it, and a link in it leads nowhere else")
def captured():
    directory = scratch()
    secret = write(directory, "secret.xml", domain_xml("secret", disk_xml("/x.img")))
    domains = directory / "capture" / "virt-disktune" / "domains"
    domains.mkdir(parents=True)
    write(domains.parent, "capture.json", '{"qemu": 7002000, "libvirt": 9000000}')
    write(domains, "0001.xml", domain_xml("web", disk_xml("/web.img", "cache='none'")))
    write(domains, "0001.live.xml", domain_xml("web", disk_xml("/web.img", "cache='writeback'")))
    (domains / "0002.xml").symlink_to(secret)
    result = check_json("--sysroot", directory / "capture", status=(1,))
    equal([d["name"] for d in result["domains"]], ["web", None], "domains")
    assert "not-in-effect" in disk_rules(result), disk_rules(result)
    equal(rules_of(result["domains"][1]["findings"]), ["unreadable"], "behind the link")


@case("output that cannot be written")
def moments():
    directory = scratch()
    xml = write(directory, "x.xml", domain_xml("x", disk_xml("/x.img")))
    with open("/dev/full", "wb") as full:
        result = run("check", "--xml", xml, stdout=full)
    equal(result.status, 2, "exit status on a full disk")
    assert "cannot write the result" in result.err, result.err


main()
