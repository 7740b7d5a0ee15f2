#!/usr/bin/env python3
"""run.py [PROGRAM]: Holdfast, restic and borg on the same data, in turns. See the page it writes.

Environment: ROUNDS (3), BENCH_DIR (build/bench), BENCH_SMALL=1 (a short trial that writes its page
into BENCH_DIR), BENCH_TOOLS ("holdfast,restic,borg").
"""

import datetime
import json
import os
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True  # leave nothing beside the sources

import report
import tools
from corpus import Corpus

ROOT = pathlib.Path(__file__).resolve().parent.parent
BACKUPS = 2 * tools.KEEP  # half of them are pruned


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def one_round(participants, copy, corpus, verify):
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
        shutil.rmtree(tool.target, ignore_errors=True)
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


def append(collected, new):
    for name, entries in new.items():
        for key, value in entries.items():
            collected.setdefault(name, {}).setdefault(key, []).append(value)


def check_space(work, corpus_bytes, tool_count):
    # A repository and a restored tree each, the corpus itself, and some air.
    need = corpus_bytes * (2 * tool_count + 3)
    free = shutil.disk_usage(work).free
    if free < need:
        raise SystemExit(f"bench: {work} needs about {need / 2**30:.0f} GiB and has "
                         f"{free / 2**30:.0f} GiB; set BENCH_DIR")


def main():
    small = os.environ.get("BENCH_SMALL", "0") not in ("", "0")
    rounds = int(os.environ.get("ROUNDS", "1" if small else "3"))
    names = os.environ.get("BENCH_TOOLS", "holdfast,restic,borg").split(",")
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/bin/holdfast"
    # Two corpora are two folders: the trial does not throw the large one away.
    work = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/bench"), "small" if small else "full")
    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    min_bytes, min_files = (64 << 20, 2000) if small else (2 << 30, 60000)
    check_space(work, min_bytes, len(names))

    print("bench: copying the corpus", flush=True)
    corpus = Corpus(work, min_bytes, min_files)
    print(f"bench: {corpus.files:,} files, {corpus.bytes / 2**30:.2f} GiB in {corpus.path}")
    check_space(work, corpus.bytes, len(names))
    participants = tools.make(work, corpus.path, program, names)
    copy = tools.Cp(work, corpus.path)

    results = {"date": datetime.date.today().isoformat(), "small": small, "round_count": rounds,
               "tools": names, "corpus": {"files": corpus.files, "bytes": corpus.bytes},
               "machine": report.machine(work), "rounds": {}, "sizes": {},
               "versions": {tool.name: tool.version() for tool in participants},
               "commit": report.first_line(["git", "-C", str(ROOT), "describe", "--always",
                                            "--dirty"])}
    for number in range(rounds + 1):
        print(f"bench: round {number} of {rounds}" if number else "bench: warm-up", flush=True)
        runs, sizes = one_round(rotated(participants, number), copy, corpus, verify=number == 0)
        if number:
            append(results["rounds"], runs)
            append(results["sizes"], sizes)
    for tool in [*participants, copy]:
        shutil.rmtree(tool.folder, ignore_errors=True)

    folder = work / "results" if small else ROOT / "bench/results"
    folder.mkdir(parents=True, exist_ok=True)
    page = report.page(results)
    (folder / f"{results['date']}.md").write_text(page, encoding="utf-8")
    (folder / f"{results['date']}.json").write_text(json.dumps(results, indent=1) + "\n")
    print()
    print(page)
    print(f"bench: written to {folder}/{results['date']}.md and .json")


if __name__ == "__main__":
    main()
