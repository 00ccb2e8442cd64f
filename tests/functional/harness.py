# SPDX-License-Identifier: GPL-2.0-or-later
"""What the functional tests share: running the program, judging its errors, and looking for what it left behind.

A test program decorates its cases with @case("what is held to") and ends in main(), which prints TAP; run by hand,
its arguments are words that a case's name must hold for it to run.
The program under test is in VIRT_DISKTUNE; scratch directories lie in the working directory, which
is the build directory and thus on a disk, as /tmp often is not.
"""

import atexit
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
from pathlib import Path

from scratch import scratch, sweep

PROGRAM = os.path.abspath(os.environ.get("VIRT_DISKTUNE", "virt-disktune"))
# Generous, for a program built with sanitizers on a machine that is busy; a hang is still noticed.
PATIENCE = 180
# The verbs that change a domain's definition, once they have a --yes.
CHANGING = ("apply", "rollback")
# One small race: enough rounds for an answer, little enough for seconds.
SMALL = ("-w", "dd", "--size", "8M", "--rounds", "3", "--time", "60")
TWO = ("--candidates", "raw-threads,raw-native")
# What --verbose says on standard error, one line each.
STEPS = ("creating scratch images", "starting the probe guest", "finding what is refused", "reading back what QEMU runs",
         "writing the scratch images once", "reading CPU times", "measuring", "long slices",
         "writing the scratch file once", "starting a stand-in")

_cases = []


class Skip(Exception):
    """This case cannot run here; the argument says why."""


def case(name):
    def register(function):
        _cases.append((name, function))
        return function
    return register


# --- Directories ----------------------------------------------------------------------------------

def default_state():
    if os.environ.get("VIRT_DISKTUNE_STATE_DIR"):
        return Path(os.environ["VIRT_DISKTUNE_STATE_DIR"])
    if os.geteuid() == 0:
        return Path("/var/lib/virt-disktune")
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "virt-disktune"


def runtime_directory():
    if os.geteuid() == 0:
        return Path("/run/virt-disktune")
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        return Path(os.environ["XDG_RUNTIME_DIR"]) / "virt-disktune"
    return Path(f"/tmp/virt-disktune-{os.geteuid()}")


KVM_HANGS = "kvm-hangs.json"
_knowing = []


def _kvm_hangs(directory):
    try:
        return json.loads((directory / KVM_HANGS).read_text())
    except (OSError, ValueError):
        return {}


def _known_of_kvm():
    """What the machine knows, and what the programs before this one have found out: a trial takes half a minute."""
    return {key: True for directory in (default_state(), Path.cwd(), *_knowing) for key in _kvm_hangs(directory)}


def _tell_of_kvm():
    """Leaves it to the programs after this one, beside their scratch directories."""
    new = Path(f"{KVM_HANGS}.{os.getpid()}")
    new.write_text(json.dumps(_known_of_kvm()))
    new.replace(KVM_HANGS)


def known_accelerator():
    """The options that spare a QEMU of a test's own, which nothing is known of, a KVM that is known to hang here."""
    return ("--accel", "tcg") if _kvm_hangs(shared_state()) else ()


def new_state(know_kvm=True):
    """A state directory with the machine's kernels, and unless told otherwise with what it knows of KVM."""
    path = scratch("state")
    real = default_state()
    if (real / "kernels").is_dir():
        (path / "kernels").symlink_to(real / "kernels")
    if know_kvm:
        (path / KVM_HANGS).write_text(json.dumps(_known_of_kvm()))
        _knowing.append(path)
    return path


_shared = {}


def shared_state():
    if "state" not in _shared:
        _shared["state"] = new_state()
    return _shared["state"]


def forget_races():
    """What one run has left to the next must not decide what a case sees."""
    (shared_state() / "history.sqlite3").unlink(missing_ok=True)


# --- Running --------------------------------------------------------------------------------------

_runs = []


def end_runs():
    """Kills what a case has left running."""
    while _runs:
        _runs.pop().kill()


atexit.register(end_runs)


class Run:
    """The program, started; its output goes to files, so that no pipe can fill up."""

    def __init__(self, *arguments, env=None, cwd=None, stdout=None, program=None, **more):
        logs = scratch("logs")
        self.out_path, self.err_path = logs / "out", logs / "err"
        forget_races()
        environment = dict(os.environ, LC_ALL="C.UTF-8", VIRT_DISKTUNE_STATE_DIR=str(shared_state()))
        environment.update(env or {})
        environment = {key: value for key, value in environment.items() if value is not None}
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen([program or PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                            stdout=out if stdout is None else stdout, stderr=err,
                                            env=environment, cwd=cwd, **more)
        self.pid = self.process.pid
        self.started = time.monotonic()
        _runs.append(self)

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def wait(self, timeout=PATIENCE):
        try:
            self.status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {timeout} s; standard error: {self.err!r}") from None
        self.seconds = time.monotonic() - self.started
        return self

    def reach(self, step, timeout=PATIENCE):
        """Waits until --verbose has said that the step began."""
        wait_until(lambda: f"virt-disktune: {step}" in self.err or self.process.poll() is not None, timeout,
                   f"the run does not reach '{step}'")
        assert self.process.poll() is None, f"ended before '{step}': {self.err!r}"
        return self

    def connected(self):
        """Waits until it has a socket to a daemon."""
        def has_socket():
            assert self.process.poll() is None, f"ended before it was connected: {self.err!r}"
            try:
                return any(os.readlink(fd).startswith("socket:") for fd in Path(f"/proc/{self.pid}/fd").iterdir())
            except OSError:
                return False  # one was closed meanwhile
        wait_until(has_socket, PATIENCE, "it does not connect")
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _without_leaks(more):
    checks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return {**more, "env": {**(more.get("env") or {}), "ASAN_OPTIONS": checks}}


def run(*arguments, timeout=PATIENCE, **more):
    """The program, run to its end.

    The leak sanitizer may crash when the program has ended, which says nothing of that: it is run once more, and where
    that comes again, with every other check. What changes something finds it changed the second time, and so is not
    checked for leaks at all."""
    attempts = [more, more, _without_leaks(more)]
    if arguments and arguments[0] in CHANGING and "--yes" in arguments:
        attempts = attempts[-1:]
    for how in attempts:
        result = Run(*arguments, **how).wait(timeout)
        if "LeakSanitizer has encountered a fatal error" not in result.err:
            break
        _comment(f"the leak sanitizer crashed: {result.err}")
    return result


def run_json(*arguments, **more):
    """The JSON object of a run that has to succeed and to print nothing else."""
    result = run(*arguments, "--json", **more)
    assert_done(result)
    assert result.err == "", f"standard error is not empty: {result.err!r}"
    return json.loads(result.out)


def wait_until(condition, timeout, what):
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} (waited {timeout} s)"
        time.sleep(0.02)
    return value


# --- Judging --------------------------------------------------------------------------------------

def equal(actual, expected, what):
    assert actual == expected, f"{what}: {actual!r} instead of {expected!r}"


def assert_done(result):
    assert result.status == 0, f"exit status {result.status}: {result.err!r}"


def assert_error(result, pattern, hint=None):
    """Exit status 2, nothing on standard output, one line of error and at most one of hint."""
    equal(result.status, 2, f"exit status, with standard error {result.err!r}")
    equal(result.out, "", "standard output")
    steps = {f"virt-disktune: {step}" for step in STEPS}
    lines = [line for line in result.err.splitlines() if line not in steps]
    assert lines and lines[0].startswith("virt-disktune: "), f"no error on the first line: {result.err!r}"
    assert re.search(pattern, lines[0]), f"{lines[0]!r} does not match {pattern!r}"
    assert len(lines) <= 2 and all(line.startswith("hint: ") for line in lines[1:]), f"more than error and hint: {lines}"
    if hint is not None:
        assert len(lines) == 2 and re.search(hint, lines[1]), f"no hint that matches {hint!r}: {lines}"
    return lines


def assert_on_page(verb, *objects):
    """That the keys of a verb's JSON are named on its manual page."""
    page = (Path(__file__).resolve().parent.parent.parent / "man" / f"virt-disktune-{verb}.1").read_text()
    lacking = {key for one in objects for key in one if not re.search(rf"\b{key}\b", page)}
    assert not lacking, f"the page of {verb} does not name {sorted(lacking)}"


# --- What was left behind -------------------------------------------------------------------------

def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes():
    """Pairs of pid and command line, words kept apart by NUL; a zombie has none."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line:
                yield int(entry.name), line


def qemus(path):
    """The QEMUs that hold this path, of an image or a runtime entry, in their command line."""
    name = os.fsencode(path)
    return [pid for pid, line in processes() if b"guest=virt-disktune-probe-" in line and name in line]


def _owner(claim):
    return int((claim / "lock").read_text().split("\n")[0])


def _owner_lives(claim):
    try:
        return alive(_owner(claim))
    except (OSError, ValueError):
        return False


def _entries(runtime):
    """The directories of runs, dead or alive; what else lies there is nobody's business."""
    found = Path(runtime).iterdir() if Path(runtime).is_dir() else []
    return [entry for entry in found if re.fullmatch("run-[A-Za-z0-9]{6}", entry.name)]


# What was there before this program is not what it leaves.
_earlier = set(_entries(runtime_directory()))


def remains(directory, runtime):
    """What lies about that no living run owns: scratch directories, runtime entries, processes."""
    found = [str(p) for p in Path(directory).glob(".virt-disktune-*")] if Path(directory).is_dir() else []
    entries = [entry for entry in _entries(runtime) if entry not in _earlier]
    living = [entry for entry in entries if _owner_lives(entry)]
    found += [str(entry) for entry in entries if entry not in living]
    image, base = os.fsencode(directory) + b"/.virt-disktune-", os.fsencode(runtime) + b"/"
    owned = [os.fsencode(entry) + b"/" for entry in [*living, *_earlier]]
    for pid, line in processes():
        # Also the one that libvirt starts to ask it what it can.
        ours = image in line or b"qemu" in line and base in line
        if ours and not any(name in line for name in owned):
            found.append(f"process {pid}: {line[:60]!r}")
    return found


def assert_nothing_left(directory, runtime=None, patience=10):
    runtime = runtime or runtime_directory()
    end = time.monotonic() + patience
    while found := remains(directory, runtime):
        assert time.monotonic() < end, f"left behind: {found}"
        time.sleep(0.1)


def claims_of(pid, runtime=None):
    """The runtime entries of a run, by the pid in their lock."""
    base = Path(runtime or runtime_directory())
    found = []
    for lock in base.glob("*/lock"):
        try:
            if _owner(lock.parent) == pid:
                found.append(lock.parent)
        except (OSError, ValueError):
            pass
    return found


def qemu_of(run, runtime=None):
    """The pid of a run's QEMU, once there is one."""
    def look():
        return [pid for claim in claims_of(run.pid, runtime) for pid in qemus(f"{claim}/")]
    return wait_until(look, PATIENCE, "no QEMU of the run is seen")[0]


# --- Mounts ---------------------------------------------------------------------------------------

def mounted(arguments, directory):
    """Mounts on the directory until the test program ends; Skip where that is not to be had."""
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    done = subprocess.run(["mount", *map(str, arguments), str(directory)], capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"cannot mount here: {' '.join(done.stderr.split())}")
    atexit.register(subprocess.run, ["umount", "-l", str(directory)], stderr=subprocess.DEVNULL)
    return Path(directory)


def small_ext4(megabytes):
    """A new ext4 of this size in a file; Skip where loop devices do not work."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        raise Skip("a small file system needs root and mkfs.ext4")
    directory = scratch("small")
    image = directory.parent / "image"
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True,
                   env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))
    return mounted(["-o", "loop", image], directory)


def fill_up(directory):
    """Takes all the space that is left, to the last block."""
    with open(Path(directory) / "ballast", "wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(1 << 20)) == 1 << 20:
                pass
            while ballast.write(bytes(512)):
                pass
        except OSError:
            pass


# --- TAP ------------------------------------------------------------------------------------------

def _comment(text):
    for line in text.rstrip().splitlines():
        print(f"# {line}")


def _run_case(number, name, function):
    begin = time.monotonic()
    try:
        function()
    except Skip as reason:
        print(f"ok {number} - {name} # SKIP {' '.join(str(reason).split())}", flush=True)
        return True
    except Exception:
        # Before the line, as cmocka has it: what comes last is the reason that the summary gives.
        _comment(traceback.format_exc())
        print(f"not ok {number} - {name}", flush=True)
        return False
    finally:
        end_runs()
    print(f"ok {number} - {name}", flush=True)
    _comment(f"{time.monotonic() - begin:.1f} s")
    return True


def main():
    # The harness of the harness ends what takes too long by SIGTERM: clean up then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Under `umask 077` another user could not pass through the directories made here.
    os.umask(stat.S_IWGRP | stat.S_IWOTH)
    sweep(os.getcwd())
    cases = [(name, function) for name, function in _cases if all(word in name for word in sys.argv[1:])]
    print(f"1..{len(cases)}", flush=True)
    results = [_run_case(i + 1, name, function) for i, (name, function) in enumerate(cases)]
    _tell_of_kvm()
    sys.exit(0 if all(results) else 1)
