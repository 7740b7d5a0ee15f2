#!/usr/bin/env python3
"""run.py [PROGRAM]: Holdfast and its peers on the same data, in turns. See the page it writes.

Environment: ROUNDS (3), BENCH_DIR (build/bench), BENCH_SMALL=1 (a short trial that writes its page
into BENCH_DIR), BENCH_PARTS ("local,s3,postgres,mariadb"; the last two are postgres.py and mariadb.py), BENCH_TOOLS of the local part ("holdfast,restic,borg").
"""

import datetime
import json
import os
import pathlib
import shutil
import signal
import sys

sys.dont_write_bytecode = True  # leave nothing beside the sources

import lab
import report
import s3
import s3_report
import tools
from corpus import Corpus, LargeFiles

ROOT = pathlib.Path(__file__).resolve().parent.parent
BACKUPS = 2 * tools.KEEP  # half of them are pruned
CORES = len(os.sched_getaffinity(0))
LARGE_MIB = [64, 64, 96, 128, 160, 256, 256]
SMALL_MIB = [4, 4, 6, 8, 10, 16, 16]
S3_SPACE = 12 << 30  # what a full round leaves in the store's one disk


def one_round(participants, copy, corpus, work, verify):
    """All scenarios once. The tools take turns in each, so that a slow minute hits all alike.
    Returns {tool: {scenario: measurement}} and {tool: {moment: bytes}}."""
    runs = {tool.name: {} for tool in [*participants, copy]}
    sizes = {tool.name: {} for tool in participants}

    def each(scenario, operation, who=None):
        for tool in who or participants:
            print(f"  {scenario:<10} {tool.name:<9}", end="", flush=True)
            run = operation(tool)
            print(f"{run.seconds:8.2f} s {run.peak_kib / 1024:8.0f} MiB", flush=True)
            runs[tool.name][scenario] = run.as_dict()

    for tool in [*participants, copy]:
        tool.fresh()
    each("first", lambda tool: tool.backup())
    for tool in participants:
        sizes[tool.name]["first"] = tool.size()
    each("unchanged", lambda tool: tool.backup())
    corpus.change(1)
    each("changed", lambda tool: tool.backup())
    each("restore", lambda tool: tool.restore(), [*participants, copy])
    for tool in participants:
        if verify and not tools.same_tree(corpus.path, tool.restored()):
            raise SystemExit(f"bench: what {tool.name} restored differs from the corpus")
    for tool in [*participants, copy]:
        tools.set_aside(tool.target, work)
    each("check", lambda tool: tool.check())

    for number in range(2, BACKUPS - 1):
        corpus.change(number)
        for tool in participants:
            tool.backup()
    for tool in participants:
        sizes[tool.name]["six"] = tool.size()
    each("prune", lambda tool: tool.prune())
    for tool in participants:
        sizes[tool.name]["pruned"] = tool.size()
    corpus.reset()
    return runs, sizes


def check_space(work, need):
    free = shutil.disk_usage(work).free
    if free < need:
        raise SystemExit(f"bench: {work} needs about {need / 2**30:.0f} GiB and has "
                         f"{free / 2**30:.0f} GiB; set BENCH_DIR")


def local_space(corpus_bytes, tool_count):
    # A repository and a restored tree each, the corpus itself, and some air.
    return corpus_bytes * (2 * tool_count + 3)


def local_part(work, corpus, program, names, rounds, results):
    check_space(work, local_space(corpus.bytes, len(names)))
    participants = tools.make(work, corpus.path, program, names)
    copy = tools.Cp(work, corpus.path)
    for number in range(rounds + 1):
        print(f"bench: round {number} of {rounds}" if number else "bench: warm-up", flush=True)
        turn = tools.rotated(participants, number)
        runs, sizes = one_round(turn, copy, corpus, work, verify=number == 0)
        if number:
            tools.append(results["rounds"], runs)
            tools.append(results["sizes"], sizes)
    for tool in [*participants, copy]:
        tools.remove_tree(tool.folder)


def s3_part(work, corpus, program, small, rounds, results):
    large = LargeFiles(work, [mib << 20 for mib in (SMALL_MIB if small else LARGE_MIB)])
    # The store, the vault that is copied, and what five tools bring back.
    check_space(work, (0 if small else S3_SPACE) + 6 * large.bytes + 3 * corpus.bytes)
    results["s3"] = s3.play(work, program, corpus, large, rounds)


def chosen_parts():
    parts = os.environ.get("BENCH_PARTS", "local,s3,postgres,mariadb").split(",")
    if unknown := set(parts) - {"local", "s3", "postgres", "mariadb"}:
        raise SystemExit(f"bench: BENCH_PARTS names {', '.join(sorted(unknown))}; the parts are "
                         "local, s3, postgres and mariadb")
    others = {"postgres", "mariadb"}  # programs of their own
    if set(parts) <= others:
        sys.exit(0)
    parts = [part for part in parts if part not in others]
    if "s3" in parts and (missing := lab.missing()):
        print(f"bench: no S3 part: {', '.join(missing)} not installed")
        parts.remove("s3")
    if not parts:
        raise SystemExit("bench: nothing to do")
    return parts


def terminate(*_):
    sys.exit("bench: terminated")  # so that what was started is stopped and removed


def write(results, parts, folder):
    folder.mkdir(parents=True, exist_ok=True)
    section = s3_report.section(results["s3"], CORES) if "s3" in parts else ""
    page = report.page(results, section)
    # One part alone does not replace the page of both.
    name = results["date"] + ("" if len(parts) == 2 else "-" + parts[0])
    (folder / f"{name}.md").write_text(page, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    print()
    print(page)
    print(f"bench: written to {folder}/{name}.md and .json")


def main():
    signal.signal(signal.SIGTERM, terminate)
    parts = chosen_parts()
    small = os.environ.get("BENCH_SMALL", "0") not in ("", "0")
    rounds = int(os.environ.get("ROUNDS", "1" if small else "3"))
    names = os.environ.get("BENCH_TOOLS", "holdfast,restic,borg").split(",")
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/bin/holdfast"
    program = pathlib.Path(program).resolve()
    # Two corpora are two folders: the trial does not throw the large one away.
    work = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/bench"), "small" if small else "full")
    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    if small:
        tools.Removals.remembered = 0
    min_bytes, min_files = (64 << 20, 2000) if small else (2 << 30, 60000)
    check_space(work, local_space(min_bytes, len(names)))

    print("bench: copying the corpus", flush=True)
    corpus = Corpus(work, min_bytes, min_files)
    print(f"bench: {corpus.files:,} files, {corpus.bytes / 2**30:.2f} GiB in {corpus.path}")

    results = {"date": datetime.date.today().isoformat(), "small": small, "round_count": rounds,
               "tools": names, "corpus": {"files": corpus.files, "bytes": corpus.bytes},
               "machine": report.machine(work), "rounds": {}, "sizes": {},
               "versions": {tool.name: tool.version()
                            for tool in tools.make(work, corpus.path, program, names)},
               "commit": report.first_line(["git", "-C", str(ROOT), "describe", "--always",
                                            "--dirty"])}
    folder = work / "results" if small else ROOT / "bench/results"
    done = []
    tools.remove_tree(tools.attic(work))
    try:
        if "local" in parts:
            local_part(work, corpus, program, names, rounds, results)
            done.append("local")
        if "s3" in parts:
            s3_part(work, corpus, program, small, rounds, results)
            done.append("s3")
    finally:
        if done:  # what was measured is kept although the other part failed
            write(results, done, folder)
        tools.remove_tree(tools.attic(work))


if __name__ == "__main__":
    main()
