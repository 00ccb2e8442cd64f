#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `capture` to its contract: what check finds here it finds again below the unpacked tar, and the tar has nothing
that is nobody's business."""

import json
import os
import platform
import pty
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from daemon import alone, define, need_daemon, virsh
from harness import (Skip, assert_done, assert_error, case, equal, main, mounted, run, run_json, scratch,
                     small_ext4)
from other_user import GID, UID, open_program, open_scratch

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
TOOLS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SECRET = "MARKER"


def disk_xml(source, driver="cache='none'", form="qcow2", target="vda", more=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='{form}' {driver}/>"
            f"<source file='{source}'/><target dev='{target}' bus='virtio'/>{more}</disk>")


def domain_xml(name, *disks, kind="qemu", top="", more="", uuid=UUID, namespaces=""):
    return (f"<domain type='{kind}'{namespaces}><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory>"
            f"<vcpu>1</vcpu>{top}<os><type arch='{platform.machine()}' machine='q35'>hvm</type></os><devices>"
            f"{''.join(disks)}<memballoon model='none'/>{more}</devices></domain>")


def write(directory, name, text):
    path = Path(directory) / name
    path.write_text(text)
    return path


def image(path, *options, form="qcow2", size="64M"):
    subprocess.run(["qemu-img", "create", "-q", "-f", form, *map(str, options), str(path), size], check=True)
    return path


def raw(path, megabytes=8):
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, megabytes << 20)
    return path


# --- Both ways ------------------------------------------------------------------------------------

def capture(*what, **more):
    """The tar of it, and what was said."""
    tar = scratch("tar") / "a.tar"
    return tar, run_json("capture", *what, "-o", tar, **more)


def unpack(tar):
    """As a user does, and with what Python has against hostile ones."""
    below = scratch("unpacked")
    subprocess.run(["tar", "-C", str(below), "-xf", str(tar)], check=True)
    with tarfile.open(tar) as members:
        for member in members:
            assert not member.name.startswith(("/", "..")) and "/../" not in member.name, member.name
            assert member.isfile() or member.isdir() or member.issym(), member
            equal((member.uid, member.gid), (0, 0), "owner")
    return below


def check(*arguments, **more):
    result = run("check", *arguments, "--json", **more)
    assert result.status in (0, 1), f"exit status {result.status}: {result.err!r}"
    return json.loads(result.out)


def without_moving(found):
    """What the machine does meanwhile, which no capture can hold still, is not compared."""
    found["host"]["findings"] = [f for f in found["host"]["findings"] if not f["rule"].startswith("aio-")]
    return found


def same(*what, **more):
    """Captures, and compares what is found; returns that, and the tar. The disk's writes are over by then."""
    os.sync()
    here = without_moving(check(*what, **more))
    tar, said = capture(*what, **more)
    there = without_moving(check("--sysroot", unpack(tar)))
    for mine, other in zip(here["domains"], there["domains"]):
        equal(other, mine, "what is found of " + str(mine["name"] or mine.get("image")))
    equal(there, here, "what is found")
    return here, tar, said


def rules(found, domain=0, disk=0):
    return [f["rule"] for f in found["domains"][domain]["disks"][disk]["findings"]]


# --- Images ---------------------------------------------------------------------------------------

@case("files, chains, links, what is missing: the same is found below the capture")
def images():
    d = scratch()
    image(d / "base.qcow2")
    top = image(d / "top.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    old = image(d / "old.qcow2", "-o", "compat=0.10", "-b", "base.qcow2", "-F", "qcow2")
    fine = image(d / "fine.qcow2", "-o", "lazy_refcounts=on,cluster_size=2M,preallocation=full", size="8M")
    (d / "link").symlink_to(d)
    (d / "link.img").symlink_to("disk.img")
    raw(d / "disk.img")
    with open(d / "sparse.img", "wb") as file:
        file.truncate(3 << 30)
    disks = [disk_xml(top), disk_xml(d / "link" / "link.img", form="raw", target="vdb"),
             disk_xml(d / "sparse.img", "io='native'", "raw", "vdc"), disk_xml(d / "absent.img", target="vdd"),
             disk_xml(d / "disk.img", target="vde"), disk_xml(old, target="vdf"), disk_xml("relative", target="vdg")]
    xml = write(d, "a.xml", domain_xml("web", *disks, kind="kvm", top="<iothreads>1</iothreads>"))
    found, _, said = same("--xml", xml, "--image", fine, d / "disk.img", top, d / "absent.img")
    equal((said["domains"], said["images"]), (1, 6), "domains and images")
    equal(len(found["domains"]), 5, "entries")
    equal(found["domains"][0]["disks"][0]["images_read"], 2, "images of the chain")
    assert "image-old-version" in rules(found, 0, 5), rules(found, 0, 5)


@case("LUKS, a data file, bitmaps, internal snapshots, hostile headers")
def kinds_of_images():
    d = scratch()
    secret = ("--object", "secret,id=s,data=x")
    image(d / "luks.img", *secret, "-o", "key-secret=s,iter-time=10", form="luks", size="8M")
    image(d / "crypt.qcow2", *secret, "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", size="8M")
    image(d / "data.qcow2", "-o", f"data_file={d}/data.raw,data_file_raw=on")
    bitmaps = image(d / "bitmaps.qcow2")
    subprocess.run(["qemu-img", "bitmap", "--add", str(bitmaps), "a"], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "s", str(bitmaps)], check=True)
    loop = image(d / "loop.qcow2")
    subprocess.run(["qemu-img", "rebase", "-u", "-b", "loop.qcow2", "-F", "qcow2", str(loop)], check=True)
    for name, at, data in (("absurd", 20, b"\xff" * 60), ("version", 4, b"\0\0\0\x09"), ("order", 96, b"\0\0\0\x09")):
        with open(image(d / f"{name}.qcow2"), "r+b") as file:
            file.seek(at)
            file.write(data)
    os.mkfifo(d / "fifo.qcow2")
    (d / "dir.qcow2").mkdir()
    (d / "cut.qcow2").write_bytes(bitmaps.read_bytes()[:80])
    odd = image(d / "odd\nname ü.qcow2")
    names = [d / f"{n}.qcow2" for n in ("crypt", "data", "bitmaps", "loop", "absurd", "version", "order", "fifo", "dir", "cut")]
    disks = [disk_xml(path, target=f"vd{chr(97 + i)}") for i, path in enumerate(names)]
    luks = disk_xml(d / "luks.img", form="raw", target="vdz", more="<encryption format='luks'/>")
    xml = write(d, "a.xml", domain_xml("kinds", *disks, luks))
    same("--xml", xml, "--image", *names, odd, d / "luks.img")


@case("an ordinary user: what may not be read is refused in the capture as well, to whoever looks")
def unprivileged():
    if os.geteuid() != 0:
        raise Skip("another user needs root")
    d = open_scratch("images")
    for path in (image(d / "shut.qcow2"), raw(d / "shut.img")):
        path.chmod(0)
    (d / "closed").mkdir(mode=0o700)
    image(d / "closed" / "in.qcow2")
    xml = write(d, "a.xml", domain_xml("shut", disk_xml(d / "shut.qcow2"), disk_xml(d / "shut.img", form="raw", target="vdb"),
                                       disk_xml(d / "closed" / "in.qcow2", target="vdc")))
    state, tar = open_scratch("state"), open_scratch("tar") / "a.tar"
    for path in (state, tar.parent):
        os.chown(path, UID, GID)
    theirs = {"program": open_program(), "user": UID, "cwd": state,
              "env": {"VIRT_DISKTUNE_STATE_DIR": str(state), "HOME": str(state)}}
    here = check("--xml", xml, **theirs)
    assert "Permission denied" in json.dumps(here), here
    assert_done(run("capture", "--xml", xml, "-o", tar, **theirs))
    equal(without_moving(check("--sysroot", unpack(tar))), without_moving(here), "what is found")


# --- File systems ---------------------------------------------------------------------------------

def small_system(kind, megabytes, *options):
    maker = shutil.which(f"mkfs.{kind}", path=TOOLS)
    if os.geteuid() != 0 or not maker:
        raise Skip(f"a small file system needs root and mkfs.{kind}")
    directory = scratch("small")
    file = directory.parent / "image"
    with open(file, "wb") as made:
        made.truncate(megabytes << 20)
    subprocess.run([maker, "-q", *options, str(file)], check=True, capture_output=True)
    return mounted(["-o", "loop", file], directory)


def some_domain(d):
    image(d / "base.qcow2")
    image(d / "web.qcow2", "-b", "base.qcow2", "-F", "qcow2")
    raw(d / "db.img")
    disks = [disk_xml(d / "web.qcow2"), disk_xml(d / "db.img", "cache='none' io='native'", "raw", "vdb")]
    return write(d, "a.xml", domain_xml("web", *disks, kind="kvm"))


@case("ext4 on a loop device")
def on_ext4():
    found, _, _ = same("--xml", some_domain(small_ext4(64)))
    assert "loop" in found["domains"][0]["disks"][0]["storage"], found


@case("XFS, with a copy that shares its blocks")
def on_xfs():
    d = small_system("xfs", 320, "-m", "reflink=1")
    some_domain(d)
    subprocess.run(["cp", "--reflink=always", str(d / "db.img"), str(d / "copy.img")], check=True)
    with open(d / "copy.img", "r+b") as file:
        file.write(bytes(1 << 20))
    subprocess.run(["cp", "--reflink=always", str(d / "copy.img"), str(d / "shared.img")], check=True)
    found, _, _ = same("--xml", write(d, "b.xml", domain_xml("db", disk_xml(d / "shared.img", form="raw"))))
    assert "image-reflinked" in rules(found), rules(found)


@case("btrfs, whose device number is none of /sys")
def on_btrfs():
    found, _, _ = same("--xml", some_domain(small_system("btrfs", 256)))
    assert "fs-btrfs-cow" in rules(found), rules(found)


@case("tmpfs and overlayfs")
def in_memory_and_over():
    memory = mounted(["-t", "tmpfs", "none"], scratch("memory"))
    found, _, _ = same("--xml", some_domain(memory))
    assert "fs-tmpfs" in rules(found), rules(found)
    for name in ("lower", "upper", "work"):
        (memory / name).mkdir()
    some_domain(memory / "lower")
    options = ",".join(f"{n}dir={memory / n}" for n in ("lower", "upper", "work"))
    over = mounted(["-t", "overlay", "-o", options, "none"], scratch("over"))
    xml = write(memory, "o.xml", domain_xml("web", disk_xml(over / "web.qcow2"), disk_xml(over / "db.img", form="raw", target="vdb")))
    found, _, _ = same("--xml", xml)
    assert "fs-overlay" in rules(found), rules(found)


@case("a disk that is a block device")
def block_device():
    if os.geteuid() != 0:
        raise Skip("a loop device needs root")
    file = raw(scratch() / "disk.img")
    made = subprocess.run(["losetup", "-f", "--show", str(file)], capture_output=True, text=True,
                          env=dict(os.environ, PATH=TOOLS))
    if made.returncode:
        raise Skip(f"no loop device: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        disk = (f"<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/><source dev='{device}'/>"
                "<target dev='vda' bus='virtio'/></disk>")
        found, _, _ = same("--xml", write(file.parent, "a.xml", domain_xml("lv", disk)))
        equal(found["domains"][0]["disks"][0]["images_read"], 1, "images that were read")
    finally:
        subprocess.run(["losetup", "-d", device], check=True, env=dict(os.environ, PATH=TOOLS))


# --- A domain that runs ---------------------------------------------------------------------------

def the_running(d):
    """A domain that runs with one definition and has another one, with a log that has more than is asked for."""
    need_daemon()
    disk = disk_xml(image(d / "web.qcow2"), more=f"<serial>{SECRET}SERIAL</serial>")
    define(domain_xml("web", disk, disk_xml(raw(d / "db.img"), "cache='writeback'", "raw", "vdb"), top="<iothreads>2</iothreads>",
                      more=f"<graphics type='vnc' port='-1' passwd='{SECRET}' autoport='yes'/>"), d)
    virsh("start", "web")
    log = Path("/var/log/libvirt/qemu/web.log")
    with open(log, "a") as file:
        file.write(f"-object {SECRET}LOG\nqemu: Unable to use native AIO: EAGAIN, falling back to thread pool: x\n{SECRET}LOG\n")
    virsh("detach-disk", "web", "vdb", "--config")
    virsh("attach-disk", "web", str(d / "db.img"), "vdb", "--config", "--cache", "none", "--subdriver", "raw")


@case("a domain that runs: what it was started with, what QEMU has open, what it fell back to")
def running():
    d = scratch()
    the_running(d)
    try:
        found, tar, said = same("-c", "qemu:///system", "--all")
        equal((said["domains"], found["domains"][0]["running"]), (1, True), "domains, and that it runs")
        every = json.dumps(found["domains"])
        assert "not-in-effect" in every and "effective-aio" in every, every
        names = tarfile.open(tar).getnames()
        pids = {name.split("/")[1] for name in names if re.match(r"proc/\d+/", name)}
        equal(len(pids), 1, "processes in the tar")
        below = unpack(tar)
        line = (below / "proc" / pids.pop() / "cmdline").read_bytes().split(b"\0")
        equal((len(line), line[1:]), (4, [b"-uuid", UUID.encode(), b""]), "the command line")
        equal((below / "var/log/libvirt/qemu/web.log").read_text().count("\n"), 1, "lines of the log")
        assert SECRET.encode() not in tar.read_bytes(), "a secret is in the tar"
        # By its name it is the same one, and of no domain at all there is no process.
        equal(capture("-c", "qemu:///system", "web")[1]["domains"], 1, "domains")
        alone_tar, _ = capture("--image", d / "db.img")
        assert not [n for n in tarfile.open(alone_tar).getnames() if re.match(r"proc/\d", n)], "processes of nobody"
    finally:
        virsh("destroy", "web")
        virsh("undefine", "web")


@case("a volume of a pool is found again")
def volume():
    need_daemon()
    d = scratch()
    image(d / "vol.qcow2")
    virsh("pool-create-as", "images", "dir", "--target", str(d))
    try:
        disk = ("<disk type='volume' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
                "<source pool='images' volume='VOL'/><target dev='TARGET' bus='virtio'/></disk>")
        define(domain_xml("vol", disk.replace("VOL", "vol.qcow2").replace("TARGET", "vda"),
                          disk.replace("VOL", "absent").replace("TARGET", "vdb")), d)
        found, _, _ = same("-c", "qemu:///system", "vol")
        equal([k["images_read"] for k in found["domains"][0]["disks"]], [1, 0], "images that were read")
    finally:
        virsh("undefine", "vol", check=False)
        virsh("pool-destroy", "images")


# --- What is in it --------------------------------------------------------------------------------

def marked(name):
    return f"{SECRET}-{name}"


def hostile_domain(d):
    qcow2 = image(d / "web.qcow2")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 77 0 64k", str(qcow2)], check=True, capture_output=True)
    data = qcow2.read_bytes().replace(b"M" * 64, (marked("guest") + "." * 64)[:64].encode())
    slack = marked("slack").encode()
    qcow2.write_bytes(data[:600] + slack + data[600 + len(slack):])
    boot = raw(d / "db.img")
    with open(boot, "r+b") as file:
        file.write(marked("partition").encode() * 20)
    secret_name = "json:{\"driver\":\"https\",\"url\":\"https://u:" + marked("url") + "@h/x\"}"
    over = image(d / "over.qcow2")
    subprocess.run(["qemu-img", "rebase", "-u", "-b", secret_name, "-F", "raw", str(over)], check=True)
    disks = [disk_xml(qcow2, more="".join(f"<{e}>{marked(e)}</{e}>" for e in ("serial", "vendor", "product", "wwn"))
                      + f"<auth username='{marked('user')}'><secret type='ceph' uuid='{marked('auth')}'/></auth>"
                        f"<alias name='{marked('alias')}'/><!-- {marked('comment')} -->"
                        f"<encryption format='luks'><secret type='passphrase' uuid='{marked('secret')}'/></encryption>"),
             disk_xml(boot, form="raw", target="vdb"), disk_xml(over, target="vdc"),
             f"<disk type='network' device='disk'><driver name='qemu' type='raw' {marked('attribute')}='1'/>"
             f"<source protocol='https' name='{marked('name')}' query='{marked('query')}'><cookies><cookie name='x'>"
             f"{marked('cookie')}</cookie></cookies></source><target dev='vdd' bus='virtio'/></disk>"]
    disks[3] = disks[3].replace(f" {marked('attribute')}='1'", "")
    more = (f"<interface type='network'><mac address='{marked('mac')}'/><source network='{marked('net')}'/></interface>"
            f"<graphics type='vnc' passwd='{marked('passwd')}'/><channel type='unix'><source path='{marked('path')}'/></channel>"
            f"<hostdev><driver name='vfio'/><source>{marked('hostdev')}</source></hostdev>")
    top = (f"<title>{marked('title')}</title><description>{marked('description')}</description><metadata><x:a xmlns:x='urn:x'>"
           f"{marked('metadata')}</x:a></metadata><sysinfo type='smbios'><system><entry name='serial'>{marked('smbios')}"
           f"</entry></system></sysinfo><q:commandline><q:arg value='{marked('arg')}'/><q:env name='{marked('env')}' "
           f"value='{marked('value')}'/></q:commandline><somethingnew a='{marked('new')}'>{marked('text')}</somethingnew>"
           f"<seclabel type='static'><label>{marked('label')}</label></seclabel><?pi {marked('pi')}?>")
    xml = domain_xml("web", *disks, top=top, more=more, namespaces=f" xmlns:q='urn:{marked('namespace')}'", kind="kvm")
    return write(d, "a.xml", f"<!-- {marked('before')} -->" + xml)


@case("no secret, no data and nothing that no rule looks at is in the tar")
def privacy():
    d = scratch()
    xml = hostile_domain(d)
    # That the markers are where they are looked for.
    everything = b"".join(p.read_bytes() for p in (xml, d / "web.qcow2", d / "db.img", d / "over.qcow2"))
    assert everything.count(SECRET.encode()) > 50, everything.count(SECRET.encode())
    for what in (("--xml", xml), ("--image", d / "web.qcow2", d / "db.img", d / "over.qcow2")):
        tar, _ = capture(*what, env={"PASSWORD": marked("environment")})
        left = re.findall(rb"MARKER[-\w]*", tar.read_bytes())
        equal(left, [], "markers in the tar")
        found = check("--sysroot", unpack(tar))["domains"]
        here = check(*what)["domains"]
        equal([[f["rule"] for k in d["disks"] for f in k["findings"]] for d in found],
              [[f["rule"] for k in d["disks"] for f in k["findings"]] for d in here], "rules")
    sizes = {m.name.rpartition("/")[2]: m.size for m in tarfile.open(tar) if m.isfile()}
    equal(sizes["db.img"], 0, "bytes of a raw image")
    assert sizes["web.qcow2"] < 200, sizes["web.qcow2"]


# --- The verb -------------------------------------------------------------------------------------

@case("the same twice but for the time, sorted, on standard output as in a file")
def deterministic():
    d = scratch()
    xml = some_domain(d)
    tars = [capture("--xml", xml)[0] for _ in range(2)]
    with open(d / "out.tar", "wb") as out:
        result = run("capture", "--xml", xml, "-o", "-", stdout=out)
    assert_done(result)
    assert "standard output: 1 domain, 3 images" in result.err, result.err

    def members(path):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            equal(names, sorted(names), "order of names")
            equal(len({m.mtime for m in tar}), 1, "times")
            return [(m.name, m.mode, m.linkname, tar.extractfile(m).read() if m.isfile() else b"") for m in tar
                    if not m.name.endswith(("capture.json", "aio-nr"))]
    equal(members(tars[1]), members(tars[0]), "the second one")
    equal(members(d / "out.tar"), members(tars[0]), "on standard output")


@case("what it says, and its default name")
def says():
    d = scratch()
    xml = some_domain(d)
    result = run("capture", "--xml", xml, cwd=d)
    assert_done(result)
    size = (d / "virt-disktune-capture.tar").stat()
    assert re.match(r"virt-disktune-capture\.tar: 1 domain, 3 images, \d+ files of /proc and /sys, [\d.]+ KiB\n", result.out), result.out
    assert "tar -tvf" in result.out and "masked" in result.out, result.out
    equal((result.err, size.st_mode & 0o777), ("", 0o600), "standard error and mode")
    again = run("capture", "--xml", xml, cwd=d)
    assert_error(again, "virt-disktune-capture.tar is there already", "-o FILE")
    equal((d / "virt-disktune-capture.tar").stat().st_mtime_ns, size.st_mtime_ns, "the first one")
    short = run("capture", "--xml", xml, "-q", "-o", d / "b.tar")
    equal(len(short.out.splitlines()), 1, "lines with --quiet")


@case("what cannot be read is named, and the others are packed")
def left_out():
    d = scratch()
    bad = write(d, "bad.xml", "<domain><name>x")
    tar, said = capture("--xml", bad, some_domain(d))
    equal((said["domains"], len(said["left_out"])), (1, 1), "domains and what is left out")
    result = run("capture", "--xml", bad, "-o", d / "b.tar")
    assert_done(result)
    assert re.search(r"^virt-disktune: left out: .*bad\.xml: .*no XML", result.err), result.err
    equal(check("--sysroot", unpack(tar))["domains"][0]["name"], "web", "the domain")
    odd = write(d, "odd\x1b[31m\n.xml", "nonsense")
    said = run("capture", "--xml", odd, "-o", d / "c.tar").err
    assert "\x1b" not in said and len(said.splitlines()) == 1, said


@case("where the tar cannot go: a terminal, a full disk, a directory that is not there")
def nowhere():
    d = scratch()
    xml = some_domain(d)
    ours, theirs = pty.openpty()
    result = run("capture", "--xml", xml, "-o", "-", stdout=theirs)
    os.close(ours), os.close(theirs)
    assert_error(result, "terminal", "-o FILE")
    assert_error(run("capture", "--xml", xml, "-o", "-", "--json"), "--json")
    assert_error(run("capture", "--xml", xml, "-o", d / "absent" / "a.tar"), "cannot create .*absent")
    assert_error(run("capture", "-c", "test+ssh://nohost.invalid/default", "-o", d / "a.tar"), "")
    assert_error(run("capture", "--xml", xml, "-o", ""), "empty")
    with open("/dev/full", "wb") as full:
        assert run("capture", "--xml", xml, "-o", "-", stdout=full).status == 2
    equal(sorted(p.name for p in d.iterdir()), ["a.xml", "base.qcow2", "db.img", "web.qcow2"], "files that are left")
    small = mounted(["-t", "tmpfs", "-o", "size=16k", "none"], scratch("full"))
    assert_error(run("capture", "--xml", xml, "-o", small / "a.tar"), "No space left")
    equal(list(small.iterdir()), [], "files on the full disk")


alone()
main()
