#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the harness itself to what the other tests take for granted: what it sees of remains, what it takes away of dead
tests, that it repeats nothing that changes something, and never takes the live machine for a namespace of its own."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import harness
from daemon import OUTSIDE, is_alone
from harness import PATIENCE, Run, alive, case, equal, main, mounted, remains, run, scratch, wait_until
from scratch import sweep


def sleeper(*words):
    """A process with these words in its command line, that does nothing."""
    return subprocess.Popen([words[0], "-c", "import time; time.sleep(1000)", *words[1:]], executable=sys.executable)


@case("a QEMU that has a path of our runtime directory remains, whoever started it; strangers and their files do not")
def seen():
    directory, runtime = scratch("images"), scratch("runtime")
    for name in ("functional-file", "run-longer7", "run-a"):
        (runtime / name).touch()
    equal(remains(directory, runtime), [], "with files of others")
    with sleeper("sleep", f"{runtime}/run-abc123/sockets") as other, \
            sleeper("/usr/bin/qemu-system-any", f"unix:{runtime}/run-abc123/qmp/qmp.monitor") as asked:
        try:
            (found,) = wait_until(lambda: remains(directory, runtime), PATIENCE, "nothing is seen")
            assert found.startswith(f"process {asked.pid}:"), found
        finally:
            other.kill()
            asked.kill()
    (runtime / "run-abc123").mkdir()
    equal(remains(directory, runtime), [str(runtime / "run-abc123")], "with an entry that nobody owns")


@case("what a dead test has left is taken away with what is mounted there, what a living one has is not")
def swept():
    parent = scratch("parent")
    stranger = parent / "functional-analysis"
    stranger.mkdir()
    code = "import sys; from scratch import scratch; print(scratch(parent=sys.argv[1]), flush=True); sys.stdin.read()"
    def start():
        return subprocess.Popen([sys.executable, "-c", code, parent], cwd=Path(__file__).parent, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with start() as dead, start() as living:
        left, kept = (Path(process.stdout.readline().strip()) for process in (dead, living))
        (left / "file").touch()
        # Without mounts, where these cannot be had.
        with contextlib.suppress(harness.Skip):
            (mounted(["-t", "tmpfs", "none"], left) / "file").touch()
        dead.kill()
        dead.wait()
        sweep(parent)
        equal({*parent.iterdir()}, {kept.parent.parent, stranger}, "what lies there")
        assert kept.is_dir(), "a living one's is gone"
        living.stdin.close()
        living.wait()
    equal(list(parent.iterdir()), [stranger], "when it has ended")


@case("what a case has left running is killed when it ends")
def ended():
    started = []
    with contextlib.redirect_stdout(io.StringIO()):
        harness._run_case(1, "leaves a process", lambda: started.append(Run("1000", program=shutil.which("sleep"))))
    assert not alive(started[0].pid), "it goes on"


@case("a crash of the leak sanitizer: the run is repeated, but for one that changes something")
def repeated():
    directory = scratch("program")
    program, calls = directory / "program", directory / "calls"
    program.write_text('#!/bin/sh\necho "$ASAN_OPTIONS" >> "$CALLS"\n'
                       'echo LeakSanitizer has encountered a fatal error >&2\nexit 1\n')
    program.chmod(0o755)
    for arguments, times in ((("check",), 3), (("apply",), 3), (("apply", "--yes"), 1), (("rollback", "--yes"), 1)):
        calls.unlink(missing_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            run(*arguments, program=program, env={"CALLS": str(calls)})
        lines = calls.read_text().splitlines()
        equal(len(lines), times, f"calls of {arguments}")
        assert "detect_leaks=0" in lines[-1], lines


@case("nothing in the environment makes the machine's own namespace one of a test's own")
def not_alone():
    before = os.environ.get(OUTSIDE)
    try:
        for value in ("1", "", os.readlink("/proc/self/ns/mnt")):
            os.environ[OUTSIDE] = value
            assert not is_alone(), f"{value!r} is taken for one"
    finally:
        os.environ.pop(OUTSIDE)
        if before is not None:
            os.environ[OUTSIDE] = before


if __name__ == "__main__":
    main()
