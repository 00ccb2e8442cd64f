#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `check --tables` to its contract, with real images and the real qemu-img: what it finds in the tables of images
that nobody uses, that it leaves those alone that somebody does, and that it changes none.

An image that takes long is one behind FUSE: a qemu-storage-daemon that has a limit shows it as a file."""

import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from harness import Skip, alive, assert_error, case, equal, main, processes, run, Run, scratch, wait_until

RULES = ("tables-corrupt", "tables-leaks", "tables-fragmented", "tables-compressed", "tables-unread")


# --- Images ---------------------------------------------------------------------------------------

def qemu_img(*arguments):
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def qemu_io(path, commands, *options):
    """As options and not as a word, so that any name will do."""
    name = str(path).replace(",", ",,")
    subprocess.run(["qemu-io", *options, "--image-opts", f"driver=qcow2,file.driver=file,file.filename={name}"],
                   input="\n".join(commands), text=True, check=True, capture_output=True)


def image(path, *options, size="64M", write="write 0 8M"):
    """By an absolute path: what stands before the first slash of another may be a protocol."""
    qemu_img("create", "-q", "-f", "qcow2", *options, path, size)
    if write:
        qemu_io(path, [write])
    return path


def header(path):
    data = path.read_bytes()[:104]
    return struct.unpack(">Q", data[40:48])[0], struct.unpack(">Q", data[48:56])[0]


def change(path, table, offset, data):
    """Overwrites a part of the first table that the entry at `table` refers to."""
    with open(path, "r+b") as file:
        file.seek(table)
        file.seek((struct.unpack(">Q", file.read(8))[0] & 0x00fffffffffffe00) + offset)
        file.write(data)


def with_leaks(path, clusters=5):
    """Entries of the first L2 table are gone: nothing refers to their clusters, which have their counts."""
    change(path, header(path)[0], 10 * 8, bytes(clusters * 8))
    return path


def damaged(path, clusters=3):
    """Reference counts are gone of clusters that are in use."""
    change(path, header(path)[1], 20 * 2, bytes(clusters * 2))
    return path


def image_state(path):
    return path.read_bytes(), os.stat(path).st_mtime_ns


# --- Asking ---------------------------------------------------------------------------------------

def check(*arguments, status=(0, 1), **more):
    """What check --tables finds: for each domain, for each disk, its findings about tables; and the notes."""
    result = run("check", "--tables", *arguments, "--json", **more)
    assert result.status in status, f"exit status {result.status}: {result.err!r}"
    equal(result.err, "", "standard error")
    report = json.loads(result.out)
    return [[[f for f in disk["findings"] if f["rule"] in RULES] for disk in domain["disks"]]
            for domain in report["domains"]], report["notes"]


def found(path, **more):
    """The same of one image: pairs of rule and severity."""
    (((*findings,),),), notes = check("--image", path, **more)
    return [(f["rule"], f["severity"]) for f in findings], notes


def finding(path):
    (((one,),),), _ = check("--image", path)
    return one


def domain_xml(name, *sources, more="", kind="kvm"):
    disks = "".join(f"<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
                    f"<source file='{source}'/><target dev='vd{chr(ord('a') + n)}' bus='virtio'/></disk>"
                    for n, source in enumerate(sources))
    return (f"<domain type='{kind}' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>{name}</name>"
            f"<memory unit='MiB'>64</memory>{more}<os><type arch='x86_64'>hvm</type></os><devices>{disks}</devices></domain>")


# --- What it finds --------------------------------------------------------------------------------

@case("of a sound image nothing is said, however it was made, and none is changed")
def sound():
    directory = scratch()
    plain = image(directory / "plain.qcow2")
    made = [plain, image(directory / "empty.qcow2", write=None), image(directory / "old.qcow2", "-o", "compat=0.10"),
            image(directory / "full.qcow2", "-o", "preallocation=falloc"),
            image(directory / "metadata.qcow2", "-o", "preallocation=metadata"),
            image(directory / "extended.qcow2", "-o", "extended_l2=on", write="write 12k 8M"),
            image(directory / "narrow.qcow2", "-o", "refcount_bits=1,cluster_size=512"),
            image(directory / "over.qcow2", "-b", plain, "-F", "qcow2")]
    kept = image(directory / "kept.qcow2")
    qemu_img("snapshot", "-c", "before", kept)
    qemu_img("bitmap", "--add", kept, "backup")
    qemu_io(kept, ["write 1M 2M", "discard 4M 1M"])
    made.append(kept)
    before = [image_state(path) for path in made]
    findings, notes = check("--image", *made)
    equal(findings, [[[]]] * len(made), "findings")
    equal(notes, [], "notes")
    equal([image_state(path) for path in made], before, "the images")


@case("damage is an error, and exit status 1; without --tables nothing is known of it")
def damage():
    path = damaged(image(scratch() / "web.qcow2"))
    before = image_state(path)
    one = finding(path)
    equal((one["rule"], one["severity"], one["fix"]["kind"]), ("tables-corrupt", "error", "qemu-img"), "what is found")
    assert "6 errors" in one["summary"] and " -r " not in one["fix"]["text"], one
    equal(run("check", "--tables", "--image", path).status, 1, "exit status")
    assert "[tables-" not in run("check", "--image", path).out, "it was not asked for"
    equal(image_state(path), before, "the image")


@case("what else is found is a note, and gone after its remedy: leaks, compressed and scattered clusters")
def remedies():
    directory = scratch("it's a dir")
    leaky = with_leaks(image(directory / "leaky.qcow2"))
    source = image(directory / "source.qcow2")
    packed = directory / "packed.qcow2"
    qemu_img("convert", "-c", "-O", "qcow2", source, packed)
    scattered = image(directory / "scattered.qcow2", "-o", "cluster_size=4k", write=None)
    qemu_io(scattered, [f"write -q {n * 4096} 4k" for n in reversed(range(4200))], "-t", "writeback")
    for path, rule, summary in ((leaky, "tables-leaks", "5 lost clusters take up to 320 KiB"),
                                (packed, "tables-compressed", "128 of 128 clusters are compressed"),
                                (scattered, "tables-fragmented", "pieces inside it, of 4.0 KiB on average")):
        before = image_state(path)
        one = finding(path)
        equal((one["rule"], one["severity"]), (rule, "note"), "what is found")
        assert summary in one["summary"], one
        equal(image_state(path), before, "the image")
        # Not every directory that tests are run in has direct I/O.
        subprocess.run(["sh", "-ec", one["fix"]["text"].replace(" -t none -T none", "")], check=True, capture_output=True)
        equal(found(path), ([], []), f"after the remedy of {rule}")


@case("each image of a chain, and each disk of a domain")
def chains():
    directory = scratch()
    base = damaged(image(directory / "base.qcow2"))
    tops = [image(directory / f"{name}.qcow2", "-b", "base.qcow2", "-F", "qcow2", "-u") for name in "ab"]
    own = with_leaks(image(directory / "own.qcow2"))
    xml = directory / "web.xml"
    xml.write_text(domain_xml("web", *tops, own))
    ((first, second, third),), notes = check("--xml", xml, status=(1,))
    for findings in (first, second):
        equal([f["rule"] for f in findings], ["tables-corrupt"], "of a disk on the damaged image")
        assert findings[0]["summary"].startswith("base.qcow2: "), findings
    equal([f["rule"] for f in third], ["tables-leaks"], "of the third disk")
    equal(notes, [], "notes")


@case("a block device, and a link to an image")
def devices():
    directory = scratch()
    path = damaged(image(directory / "web.qcow2"))
    (directory / "link").symlink_to(path)
    equal(found(directory / "link"), ([("tables-corrupt", "error")], []), "through the link")
    if os.geteuid() != 0:
        raise Skip("a loop device needs root")
    made = subprocess.run(["losetup", "-f", "--show", path], capture_output=True, text=True)
    if made.returncode:
        raise Skip(f"there is no loop device: {made.stderr}")
    try:
        (((one,),),), notes = check("--image", made.stdout.strip())
        equal((one["rule"], one["severity"], one["fix"]["kind"]), ("tables-corrupt", "error", "advice"), "on the device")
        assert len(notes) == 1 and "whether another host uses it" in notes[0], notes
    finally:
        subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


@case("a name is a name: commas, colons, line breaks, hyphens, protocols, JSON")
def names():
    directory = scratch()
    for name in ("a,b=c.qcow2", "nbd:localhost:10809", "fat:rw:x", "new\nline", "-r", "--help",
                 'json:{"driver":"null-co"}', "quo'te\"s \\ $(x) `y`", "ümlaut", "%s%n"):
        path = directory / name
        image(directory / "made")
        os.rename(damaged(directory / "made"), path)
        equal(found(path), ([("tables-corrupt", "error")], []), name)
        # As a word of its own, too, from where it lies.
        (((one,),),), _ = check(f"--image={name}", cwd=directory)
        equal(one["rule"], "tables-corrupt", name)


@case("what is behind an image is not opened, whatever its header calls it")
def behind():
    directory = scratch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for n, name in enumerate((f"nbd://127.0.0.1:{port}/x",
                                  f'json:{{"driver":"nbd","host":"127.0.0.1","port":"{port}"}}')):
            path = with_leaks(image(directory / f"{n}.qcow2"))
            qemu_img("rebase", "-u", "-F", "raw", "-b", name, path)
            equal(found(path)[0], [("tables-leaks", "note")], name)
        server.settimeout(0.1)
        try:
            server.accept()
        except TimeoutError:
            return
    raise AssertionError("somebody has connected")


# --- What it leaves alone -------------------------------------------------------------------------

class Held:
    """An image that a program of QEMU's has open, as one that runs a guest has."""

    def __init__(self, path, *options):
        self.process = subprocess.Popen(["qemu-io", "-f", "qcow2", *options, str(path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("length\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate("quit\n", timeout=60)


@case("an image that somebody writes to is not looked into: no damage is found in it, and a note says so")
def in_use():
    directory = scratch()
    path = damaged(image(directory / "used.qcow2"))
    with Held(path):
        equal(found(path), ([], ["The tables of some images were not read: 1 in use."]), "while it is in use")
    equal(found(path), ([("tables-corrupt", "error")], []), "afterwards")
    # Who only reads is in nobody's way.
    with Held(path, "-r"):
        equal(found(path), ([("tables-corrupt", "error")], []), "while it is read")


@case("images of domains that run are not asked about, those of others are")
def running():
    directory = scratch()
    paths = [damaged(image(directory / f"{name}.qcow2")) for name in ("on", "off")]
    off = "<test:runstate>5</test:runstate>"
    node = directory / "node.xml"
    node.write_text("<node>" + domain_xml("on", paths[0], kind="test") +
                    domain_xml("off", paths[1], more=off, kind="test") + "</node>")
    (((one,),), ((),)), notes = check("-c", f"test://{node}")
    equal(one["rule"], "tables-corrupt", "of the domain that is off")
    equal(notes, ["The tables of some images were not read: 1 in use."], "notes")


@case("an image that is marked as in use is not taken for a damaged one")
def dirty():
    path = image(scratch() / "lazy.qcow2", "-o", "lazy_refcounts=on", write=None)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 8M", "-c", "abort", str(path)], capture_output=True)
    assert subprocess.run(["qemu-img", "check", "-q", str(path)], capture_output=True).returncode == 2, "it looks like one"
    equal(found(path), ([], ["The tables of some images were not read: 1 in use."]), "what is said")


@case("a data file is not opened, and no secret is asked for")
def closed():
    directory = scratch()
    # Whoever opens it to write waits for a reader.
    other = image(directory / "other.qcow2", "-o", f"data_file={directory / 'data'}", write=None)
    os.unlink(directory / "data")
    os.mkfifo(directory / "data")
    secret = directory / "secret.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
             "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", secret, "64M")
    findings, notes = check("--image", other, secret)
    equal(findings, [[[]], [[]]], "findings")
    equal(notes, ["The tables of some images were not read: 2 encrypted, or with a data file."], "notes")


@case("what qemu-img cannot read is a note, with its reason")
def unread():
    path = image(scratch() / "new.qcow2")
    with open(path, "r+b") as file:
        file.seek(72)
        file.write(struct.pack(">Q", 1 << 40))
    one = finding(path)
    equal((one["rule"], one["severity"]), ("tables-unread", "note"), "what is found")
    assert "Unsupported qcow2 feature" in one["summary"] and "json:" not in one["summary"], one


@case("with --sysroot, or without qemu-img, it cannot be had")
def refused():
    directory = scratch()
    path = image(directory / "web.qcow2")
    assert_error(run("check", "--tables", "--sysroot", directory, "--image", path), "--tables.*--sysroot")
    assert_error(run("check", "--tables", "--image", path, env={"PATH": str(directory)}), "--tables: qemu-img", "qemu-utils")


# --- What takes long ------------------------------------------------------------------------------

class Slow:
    """Copies of images, each behind FUSE, with so many requests a second for all of them."""

    def __init__(self, *paths, per_second):
        if not os.access("/dev/fuse", os.W_OK):
            raise Skip("there is no FUSE")
        directory = scratch("slow")
        words = ["--object", f"throttle-group,id=t,x-iops-total={per_second}"]
        self.files = []
        for n, path in enumerate(paths):
            file = directory / f"{n}.qcow2"
            file.touch()
            self.files.append(file)
            atexit.register(subprocess.run, ["umount", "-l", str(file)], stderr=subprocess.DEVNULL)
            words += ["--blockdev", f"driver=file,node-name=f{n},filename={path}",
                      "--blockdev", f"driver=throttle,node-name=t{n},throttle-group=t,file=f{n}",
                      "--export", f"type=fuse,id=e{n},node-name=t{n},mountpoint={file}"]
        self.process = subprocess.Popen(["qemu-storage-daemon", *words], stderr=subprocess.PIPE, text=True)
        atexit.register(self.end)
        wait_until(lambda: self.process.poll() is not None or all(os.stat(file).st_size for file in self.files), 60,
                   "the images do not appear")
        if self.process.poll() is not None:
            raise Skip(f"qemu-storage-daemon has no FUSE: {self.process.stderr.read()}")

    def end(self):
        # Asked to end, it sometimes waits for ever for the last request. There is nothing of it to keep.
        self.process.kill()
        self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def readers(self):
        """The qemu-img that read any of them."""
        names = [os.fsencode(file) for file in self.files]
        return [pid for pid, line in processes() if line.startswith(b"qemu-img\0") and any(name in line for name in names)]


def started(slow, *more):
    """A check of these images, in the middle of it."""
    asking = Run("check", "--tables", "--image", *slow.files, *more)
    wait_until(slow.readers, 60, "no qemu-img is started")
    return asking


@case("a signal ends it, and its qemu-img, in the middle of an image; so does a kill")
def interrupted():
    path = image(scratch() / "web.qcow2")
    with Slow(path, per_second=1) as slow:
        for number, status in ((signal.SIGTERM, 2), (signal.SIGINT, 2), (signal.SIGKILL, -signal.SIGKILL)):
            asking = started(slow)
            readers = slow.readers()
            asking.signal(number)
            asking.wait(30)
            equal(asking.status, status, f"exit status after {number}")
            assert readers
            # One that is ending has no command line any more while it still closes its file.
            wait_until(lambda: not any(map(alive, readers)), 30, f"qemu-img is left behind, one of {readers}")
            equal(slow.readers(), [], "qemu-img that came later")
            equal(asking.out.count("tables-"), 0, "what is said of tables")
            if status == 2:
                assert f"interrupted by {number.name}" in asking.err, asking.err


@case("storage that hangs does not keep it from ending")
def hanging():
    path = image(scratch() / "web.qcow2")
    with Slow(path, per_second=1) as slow:
        asking = started(slow)
        slow.process.send_signal(signal.SIGSTOP)
        asking.signal(signal.SIGTERM)
        asking.wait(30)
        equal(asking.status, 2, "exit status")
        slow.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not slow.readers(), 30, "qemu-img is left behind")


@case("two images are read at a time, each once, and one that changes meanwhile is none to judge")
def at_a_time():
    directory = scratch()
    # A cluster of 64 KiB is a request, and there are some for each image.
    paths = [with_leaks(image(directory / f"{n}.qcow2")) for n in range(4)]
    most, seen = 0, set()
    # A file of QEMU's FUSE was changed this very second, whenever it is asked.
    with Slow(*paths, per_second=8) as slow:
        asking = started(slow, *slow.files, "--json")
        while asking.process.poll() is None:
            now = slow.readers()
            most, seen = max(most, len(now)), seen | set(now)
            time.sleep(0.01)
        asking.wait()
    equal((most, len(seen)), (2, 4), "qemu-img at a time, and in all")
    equal(asking.status, 0, "exit status")
    report = json.loads(asking.out)
    equal(len(report["domains"]), 8, "images, each twice")
    equal([f for d in report["domains"] for f in d["disks"][0]["findings"] if f["rule"] in RULES], [], "findings")
    equal(report["notes"], ["The tables of some images were not read: 4 in use."], "notes")


main()
