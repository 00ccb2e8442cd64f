# SPDX-License-Identifier: GPL-2.0-or-later
"""What every bench says first: on what it ran."""

import contextlib
import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("VIRT_DISKTUNE", str(ROOT / "build" / "virt-disktune"))
CORE = os.environ.get("BENCH_CORE", str(ROOT / "build" / "bench" / "core"))


@contextlib.contextmanager
def scratch_file(directory, size):
    """The path of a file of random data, gone afterwards."""
    path = os.path.join(directory, f".virt-disktune-bench-{os.getpid()}")
    try:
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
        yield path
    finally:
        os.unlink(path)


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def describe(directory):
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1])
    filesystem = first_line("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "-T", directory)
    print(f"machine      {os.cpu_count()} CPUs ({cpu[1] if cpu else platform.machine()}), {memory / 2**20:.0f} GiB")
    print(f"kernel       {platform.release()}")
    print(f"QEMU         {first_line('qemu-system-' + platform.machine(), '--version')}")
    print(f"libvirt      {first_line('virsh', '--version')}")
    print(f"file system  {filesystem}")
    print(f"program      {first_line(PROGRAM, '--version')}")
