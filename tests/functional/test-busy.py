#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds `apply` to its contract on a domain that somebody else is at: it is refused, in bounded time, and nothing is
changed."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from changed_domain import SYSTEM, Domain, apply, rollback
from daemon import alone, virsh
from harness import PATIENCE, Run, assert_error, case, equal, main, wait_until


@contextmanager
def block_job(domain):
    """A copy of the disk that goes on at the least speed that libvirt knows, and is given up."""
    copy = domain.directory / "copy.qcow2"
    virsh("blockcopy", domain.name, "vda", "--dest", copy, "--bandwidth", "1", "--transient-job")
    try:
        yield
    finally:
        virsh("blockjob", domain.name, "vda", "--abort")
        copy.unlink(missing_ok=True)


@contextmanager
def dump_job(domain):
    """A dump into a pipe that is open and not read, which then is read to its end."""
    pipe = domain.directory / "dump"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    dump = subprocess.Popen(["virsh", "-q", "-c", SYSTEM[1], "dump", "--memory-only", domain.name, pipe])
    try:
        wait_until(lambda: "Unbounded" in virsh("domjobinfo", domain.name).stdout, PATIENCE, "the dump does not begin")
        yield
    finally:
        os.set_blocking(reader, True)
        while os.read(reader, 1 << 20):
            pass
        os.close(reader)
        pipe.unlink()
        equal(dump.wait(PATIENCE), 0, "the dump's exit status")


def answers(domain):
    """Whether libvirt tells anything of the domain, for which virsh has plenty of time."""
    try:
        virsh("domstate", domain.name, timeout=5)
        return True
    except subprocess.TimeoutExpired:
        return False


@case("while a dump or a block job is at work it is refused, soon and with what to wait for; afterwards it is done")
def at_work():
    domain = Domain()
    before = domain.xml
    # What a copy has to do, for 16 s if nobody ends it.
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 1 0 16M", str(domain.image)], check=True,
                   stdout=subprocess.DEVNULL)
    domain.start()
    for job, error, hint in (block_job, f"block job is at work on {domain.disk}", f"virsh blockjob {domain.disk}"), \
                            (dump_job, f"{domain.name} is at a job", f"virsh domjobinfo {domain.name}"):
        with job(domain):
            begin = time.monotonic()
            assert_error(apply(domain, "io=native", json_too=False), error, hint.replace("/", " "))
            took = time.monotonic() - begin
            equal(domain.xml, before, "the definition")
        # As long libvirt lets its calls wait for each other, which none is to do here.
        assert took < 30, f"the error took {took} s"
        equal(apply(domain, "io=native")["state"], "pending", "the same after the job")
        rollback(domain)
        equal(domain.xml, before, "the definition after the rollback")
    virsh("destroy", domain.name)
    equal(sorted(p.name for p in domain.directory.iterdir()), ["disk.qcow2"], "what is in the image's directory")
    domain.gone()


@case("a QEMU that hangs while somebody asks it something: refused when libvirt has given up waiting, and not done")
def hangs():
    domain = Domain()
    before = domain.xml
    domain.start()
    qemu = int(Path(f"/run/libvirt/qemu/{domain.name}.pid").read_text())
    os.kill(qemu, signal.SIGSTOP)
    asker = subprocess.Popen(["virsh", "-q", "-c", SYSTEM[1], "qemu-monitor-command", domain.name,
                              '{"execute": "query-status"}'], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: "occupied" in virsh("domcontrol", domain.name).stdout, PATIENCE, "nobody asks QEMU")
        assert_error(apply(domain, "io=native", json_too=False),
                     f"does not tell whether a job is at work on {domain.name}: .*state change lock", "domjobinfo")
        equal(domain.xml, before, "the definition")
    finally:
        os.kill(qemu, signal.SIGCONT)
        equal(asker.wait(PATIENCE), 0, "the exit status of who asked")
    equal(apply(domain, "io=native")["state"], "pending", "the same afterwards")
    domain.gone()


@case("a dump that hangs in libvirt itself: what asks for the domain ends by a signal at once, and else in bounded time")
def hangs_in_libvirt():
    domain = Domain()
    before = domain.xml
    domain.start()
    pipe = domain.directory / "dump"
    os.mkfifo(pipe)
    # Nobody has the pipe open, and libvirt keeps the domain while it waits for somebody.
    dump = subprocess.Popen(["virsh", "-q", "-c", SYSTEM[1], "dump", "--memory-only", domain.name, pipe])
    try:
        wait_until(lambda: not answers(domain), PATIENCE, "the dump does not keep the domain")
        # To list the domains libvirt looks at all of them.
        for words in (("apply", *SYSTEM, domain.disk, "--set", "io=native", "--yes"), ("check", *SYSTEM),
                      ("capture", *SYSTEM, "-o", domain.directory / "a.tar")):
            stopped = Run(*words).connected()
            stopped.signal(signal.SIGINT)
            # Sooner than it would end by itself.
            assert "interrupted by SIGINT" in stopped.wait(30).err, (words, stopped.err)
        assert_error(apply(domain, "io=native", json_too=False), f"has not found the domain '{domain.name}' within 40 s",
                     "a dump or a save")
    finally:
        with open(pipe, "rb") as reader:
            while reader.read(1 << 20):
                pass
        equal(dump.wait(PATIENCE), 0, "the dump's exit status")
        pipe.unlink()
    equal(domain.xml, before, "the definition")
    equal(apply(domain, "io=native")["state"], "pending", "the same afterwards")
    domain.gone()


if __name__ == "__main__":
    alone()
    main()
