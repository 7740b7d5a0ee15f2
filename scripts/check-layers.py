#!/usr/bin/env python3
"""Checks who includes whom in src/, a few calls that only one place may make, and that no two headers
give one name to two types, which the linker would mix.

A room may include headers of the rooms above it in ROOMS and its own; siblings do not know each
other. Prints FILE:LINE and the rule, and exits 1 when something is found. --self-test proves, on
planted violations, that each rule can fail.
"""

import argparse
import pathlib
import re
import sys
import tempfile

# From top to bottom. Rooms on one line are siblings.
ROOMS = [
    ["base"],
    ["os"],
    ["codec"],
    ["net"],
    ["store"],
    ["vault"],
    ["settings"],
    ["source/files", "source/config", "source/postgres", "source/mariadb"],
    ["objective"],
    ["protect"],
    ["cli"],
    ["main"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}

# (pattern, the path prefix that may, why)
BANNED = [
    # clock.sleep_for(...) of a Clock is what is wanted; so is a member called sleep.
    (r"(?<![.>\w])(sleep_(for|until)|usleep|nanosleep|clock_nanosleep|sleep)\s*\(", "os/",
     "only src/os sleeps; take a Clock"),
    (r"\b(system|steady)_clock::now\b|\b(clock_gettime|gettimeofday)\s*\("
     r"|\btime\s*\(\s*(nullptr|NULL|0)\s*\)",
     "os/clock.cpp", "only src/os/clock.cpp reads the real clock; take a Clock"),
    (r"\.detach\s*\(\s*\)", None, "no detached threads; join them in scope"),
]

TYPE = re.compile(r"(?:struct|class|union|enum(?: class)?)\s+(\w+)\b(?!<)[^;]*\{")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
# Comments and strings may speak of what the code must not do.
NOT_CODE = re.compile(r'//.*|/\*.*?\*/|"(?:\\.|[^"\\])*"')


def room_of(path):
    """The room of a path below src/, or None for one that is in no room."""
    parts = path.split("/")
    if len(parts) == 1:
        return "main" if parts[0] == "main.cpp" else None
    for length in (2, 1):
        room = "/".join(parts[:length])
        if len(parts) > length and room in LEVEL:
            return room
    return None


def check_include(room, header):
    """What is wrong with `room` including `header`, or None."""
    target = room_of(header)
    if target is None:
        return f'"{header}" is in no room; name headers by their path below src/'
    if target == room or LEVEL[target] < LEVEL[room]:
        return None
    if LEVEL[target] == LEVEL[room]:
        return f'{room} may not include "{header}": siblings do not know each other'
    return f'{room} may not include "{header}": {target} is a room below it'


def check_file(source, path):
    room = room_of(path)
    if room is None:
        yield 1, f"{path} is in no room; scripts/check-layers.py lists them"
        return
    text = source.read_text(encoding="utf-8")
    # Keep the line breaks of block comments so that line numbers stay true.
    text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found.group().count("\n"), text, flags=re.S)
    for number, line in enumerate(text.split("\n"), 1):
        include = INCLUDE.match(line)
        if include:
            problem = check_include(room, include.group(1))
            if problem:
                yield number, problem
            continue
        code = NOT_CODE.sub("", line)
        for pattern, allowed, reason in BANNED:
            if re.search(pattern, code) and not (allowed and path.startswith(allowed)):
                yield number, reason


def check_types(source, path, known):
    """Types of headers, at the level of a namespace; `known`: name to the header that has it."""
    if source.suffix != ".h":
        return
    for number, line in enumerate(source.read_text(encoding="utf-8").split("\n"), 1):
        found = TYPE.match(line)
        if not found:
            continue
        if found.group(1) in known:
            yield number, f"{known[found.group(1)]} has a type {found.group(1)}, too"
        known.setdefault(found.group(1), path)


def check_tree(src):
    problems = []
    types = {}
    files = sorted(p for p in src.rglob("*") if p.suffix in (".h", ".cpp"))
    for source in files:
        path = source.relative_to(src).as_posix()
        found = [*check_file(source, path), *check_types(source, path, types)]
        problems += [f"src/{path}:{line}: {rule}" for line, rule in found]
    return len(files), problems


PLANTED = [  # path, content, the line that must be named, or None for what must be accepted
    ("base/a.h", '#include "os/file.h"\n', 1),
    ("base/b.h", '#include "base/a.h"\n#include <thread>\n', None),
    ("vault/a.h", '\n#include "protect/backup.h"\n', 2),
    ("vault/b.h", '#include "store/object_store.h"\n', None),
    ("source/files/a.h", '#include "source/config/collect.h"\n', 1),
    ("source/config/a.h", '#include "source/files/walker.h"\n', 1),
    ("source/files/b.h", '#include "source/files/walker.h"\n#include "vault/b.h"\n', None),
    ("cli/a.cpp", '#include "walker.h"\n', 1),
    ("cli/b.cpp", '#include "source/config/a.h"\n#include "protect/c.h"\n', None),
    ("attic/a.h", "\n", 1),
    ("vault/c.cpp", "/* two\nlines */\nstd::this_thread::sleep_for(1s);\n", 3),
    ("vault/d.cpp", "usleep(3);\n", 1),
    ("vault/e.cpp", "::sleep(3);\n", 1),
    ("vault/f.cpp", "auto t = std::chrono::system_clock::now();\n", 1),
    ("vault/g.cpp", "std::thread([] {}).detach();\n", 1),
    ("vault/h.cpp", '// sleep_for(1)\nlog("sleep(1)");  /* .detach() */\n', None),
    ("vault/i.cpp", "while (clock_.sleep_for(kRefresh, stop)) clock->sleep_for(1, stop);\n", None),
    ("os/a.cpp", "std::this_thread::sleep_for(1s);\n", None),
    ("os/b.cpp", "auto t = std::chrono::system_clock::now();\n", 1),
    ("os/clock.cpp", "auto t = std::chrono::system_clock::now();\n", None),
    ("main.cpp", '#include "cli/a.h"\n', None),
    ("vault/j.h", "struct A {\n  struct B {};\n};\nclass B final : A {\n};\nenum class A { kOne };\n", 6),
    ("vault/k.h", "struct A;\nstruct A {};\nclass A;\n", None),
]


def self_test():
    failures = []
    for path, content, line in PLANTED:
        with tempfile.TemporaryDirectory() as directory:
            source = pathlib.Path(directory, path)
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(content, encoding="utf-8")
            _, problems = check_tree(pathlib.Path(directory))
        expected = [] if line is None else [f"src/{path}:{line}"]
        found = [":".join(problem.split(":")[:2]) for problem in problems]
        if found != expected:
            failures.append(f"self-test: {path}: expected {expected}, found {problems}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--self-test", action="store_true", help="prove that each rule can fail")
    arguments = parser.parse_args()
    if arguments.self_test:
        failures = self_test()
        print("\n".join(failures) or f"layers: self-test: {len(PLANTED)} planted files, all judged right")
        return 1 if failures else 0
    count, problems = check_tree(pathlib.Path(__file__).resolve().parent.parent / "src")
    print("\n".join(problems) or f"layers: {count} files, no violation")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
