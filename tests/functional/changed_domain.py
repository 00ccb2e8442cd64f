# SPDX-License-Identifier: GPL-2.0-or-later
"""A domain of a real libvirtd whose definition is changed and taken back: what tests of that share."""

import platform
import re
import subprocess

from daemon import define, need_daemon, virsh
from harness import assert_on_page, run, run_json, scratch

SYSTEM = ("-c", "qemu:///system")
_count = iter(range(1, 10000))


class Domain:
    """A domain of its own, defined and off: one qcow2 under virtio as in the story, and what else is asked for."""

    def __init__(self, driver="cache='none'", more="", disks="", form="qcow2", bus="virtio", controller="", directory=None):
        need_daemon()
        number = next(_count)
        self.name, self.uuid = f"web{number}", f"4dea22b3-1d52-d8f3-2516-{number:012x}"
        self.directory = directory or scratch("images")
        self.image = self.directory / f"disk.{form}"
        subprocess.run(["qemu-img", "create", "-q", "-f", form, str(self.image), "64M"], check=True)
        define(f"""<domain type='qemu'><name>{self.name}</name><uuid>{self.uuid}</uuid>
  <metadata><app:note xmlns:app='http://example.org/app'>kept</app:note></metadata>
  <memory unit='MiB'>64</memory><vcpu>1</vcpu>{more}
  <os><type arch='{platform.machine()}' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='{form}' {driver}/>
      <source file='{self.image}'/><target dev='vda' bus='{bus}'/><serial>A1</serial></disk>{disks}{controller}
    <graphics type='vnc' passwd='secret'/><memballoon model='none'/>
  </devices></domain>""", self.directory)

    @property
    def xml(self):
        return virsh("dumpxml", "--inactive", "--security-info", self.name).stdout

    @property
    def disk(self):
        return f"{self.name}/vda"

    @property
    def driver(self):
        return re.search(r"<driver name='qemu'[^>]*>", self.xml).group()

    def start(self):
        virsh("start", self.name)

    def gone(self):
        virsh("destroy", self.name, check=False)
        virsh("undefine", self.name, "--managed-save", check=False)


def apply(domain, *settings, json_too=True, **more):
    words = [word for setting in settings for word in ("--set", setting)]
    call = run_json if json_too else run
    return call("apply", *SYSTEM, domain.disk, *words, "--yes", **more)


def rollback(domain, *more):
    return run_json("rollback", *SYSTEM, domain.disk, "--yes", *more)


def status(domain):
    report = run_json("status", *SYSTEM, domain.name)
    assert_on_page("status", report, *report["changes"])
    return report["changes"]
