#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds what `check` says of whole hosts, of which there are captures in tests/data/captures, to what was reviewed.

With VIRT_DISKTUNE_REGENERATE=1 each NAME.expected is written anew: the difference is what is to be reviewed.
"""

import importlib.machinery
import importlib.util
import json
import os
import sys
import tarfile
from pathlib import Path, PurePosixPath

from harness import Skip, case, equal, main, run, run_json, scratch

CAPTURES = Path(__file__).resolve().parent.parent / "data" / "captures"
# Of all rules, so many are held to what they find on a host by these captures.
RULES_MIN = 40
LARGEST = 60 << 10


# --- Unpacking ------------------------------------------------------------------------------------

def safe(member):
    """The path of a member below the directory it is unpacked to; what has none must not be in a capture."""
    path = PurePosixPath(member.name)
    assert not path.is_absolute() and ".." not in path.parts and path.parts, f"the path {member.name!r}"
    assert member.isdir() or member.isreg() or member.issym(), f"{member.name!r} is no file, directory or link"
    return path


def unpack(archive, directory):
    """Links last, so that nothing is written through one. Where these point is check's business, which follows none
    that leads out: a capture has absolute ones, as a host has."""
    with tarfile.open(archive, "r:") as tar:
        members = [(Path(directory) / safe(member), member) for member in tar]
        for path, member in members:
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            if member.isreg():
                path.write_bytes(tar.extractfile(member).read())
        for path, member in members:
            if member.issym():
                os.symlink(member.linkname, path)


# --- What is said ---------------------------------------------------------------------------------

def lines_of(findings, indent):
    for finding in findings:
        yield f"{indent}{finding['severity']} {finding['rule']}: {finding['summary']}"
        fix = finding["fix"]
        if fix:
            needs = ", ".join(fix["needs"]) or "-"
            yield f"{indent}    {fix['kind']} ({needs}{'' if fix['available'] else '; not available'})"
            yield from (f"{indent}    | {line}" for line in fix["text"].splitlines())
    if not findings:
        yield f"{indent}nothing"


def report(result):
    """What is found of a host, as text that can be read. The reasons are the same for all hosts, and not in it."""
    yield "host"
    yield from lines_of(result["host"]["findings"], "  ")
    for domain in result["domains"]:
        yield ""
        yield f"domain {domain['name']}{' (running)' if domain['running'] else ''}"
        yield from lines_of(domain["findings"], "  ")
        for disk in domain["disks"]:
            yield f"  {disk['target']}: {disk['source']}, {disk['format']} on {disk['storage']}"
            yield from lines_of(disk["findings"], "    ")
    yield from (f"note: {note}" for note in result["notes"])


def look_at(archive):
    # What an open file's flags mean is another matter elsewhere, and they are as they were.
    if os.uname().machine != "x86_64":
        raise Skip("the captures are of x86-64")
    directory = scratch(archive.stem)
    unpack(archive, directory)
    result = run("check", "--sysroot", directory, "--json")
    assert result.status in (0, 1), f"exit status {result.status}: {result.err!r}"
    equal(result.err, "", "standard error")
    return "\n".join(report(json.loads(result.out))) + "\n"


def held(archive):
    def judge():
        said, expected = look_at(archive), archive.with_suffix(".expected")
        if os.environ.get("VIRT_DISKTUNE_REGENERATE"):
            expected.write_text(said)
        assert expected.exists(), f"{expected} is to be made with VIRT_DISKTUNE_REGENERATE=1, and to be reviewed"
        wanted = expected.read_text()
        if said != wanted:
            differences = [f"line {i}: {a!r} instead of {b!r}" for i, (a, b) in
                           enumerate(zip(said.splitlines() + [""], wanted.splitlines() + [""]), 1) if a != b]
            raise AssertionError(f"{expected.name}: {differences[0] if differences else 'lines are missing'}")
    return judge


def construct(directory):
    loader = importlib.machinery.SourceFileLoader("construct", str(CAPTURES / "construct"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("construct", loader))
    loader.exec_module(module)
    for host in module.HOSTS:
        host().write(directory)


if os.environ.get("VIRT_DISKTUNE_REGENERATE"):
    construct(CAPTURES)
for capture in sorted(CAPTURES.glob("*.tar")):
    case(f"what is said of {capture.stem} is what was reviewed")(held(capture))


# --- The captures themselves ----------------------------------------------------------------------

def members(archive):
    with tarfile.open(archive, "r:") as tar:
        return {m.name: (m.type, m.mode, m.uid, m.gid, m.mtime, m.linkname,
                         tar.extractfile(m).read() if m.isreg() else None) for m in tar}


@case("the constructed captures are those that construct makes, each time the same, and are small")
def constructed():
    directory, again = scratch("made"), scratch("again")
    construct(directory)
    construct(again)
    made = sorted(directory.glob("*.tar"))
    assert len(made) >= 7, made
    for archive in made:
        equal(archive.read_bytes(), (again / archive.name).read_bytes(), f"a second {archive.name}")
        new, kept = members(archive), members(CAPTURES / archive.name)
        other = sorted(name for name in new.keys() | kept.keys() if new.get(name) != kept.get(name))
        equal(other, [], f"members of {archive.name} that are others, or are not there,")
    large = [a.name for a in CAPTURES.glob("*.tar") if a.stat().st_size > LARGEST]
    equal(large, [], f"captures of more than {LARGEST} bytes")


@case("every rule that a capture is said to break exists, and most kinds of rules are among them")
def known_rules():
    known = {rule["rule"] for rule in run_json("check", "--list-rules")["rules"]}
    broken = set()
    for expected in CAPTURES.glob("*.expected"):
        for line in expected.read_text().splitlines():
            words = line.split()
            if words and words[0] in ("error", "warning", "note") and words[1].endswith(":"):
                broken.add(words[1][:-1])
    equal(sorted(broken - known), [], "rules that there are none of")
    assert len(broken) >= RULES_MIN, f"{len(broken)} rules: {sorted(broken)}"
    without = [a.name for a in CAPTURES.glob("*.expected") if not a.with_suffix(".tar").exists()]
    equal(without, [], "what is said of captures that are not there")


# A member that would be unpacked elsewhere is not unpacked at all.
@case("what a capture must not have is refused before anything is unpacked")
def hostile():
    for name, kind, link in (("../out", tarfile.REGTYPE, ""), ("/etc/out", tarfile.REGTYPE, ""),
                             ("fifo", tarfile.FIFOTYPE, ""), ("hard", tarfile.LNKTYPE, "x")):
        directory = scratch("hostile")
        archive = directory.parent / "hostile.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member)
        try:
            unpack(archive, directory)
        except AssertionError:
            equal(list(directory.iterdir()), [], "what was unpacked")
        else:
            raise AssertionError(f"{name} was unpacked")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
