"""From raw numbers to the page that people read."""

import os
import pathlib
import platform
import statistics
import subprocess

LABELS = {"first": "first backup", "unchanged": "backup, nothing changed",
          "changed": "backup, 1 % of the files changed", "restore": "restore",
          "check": "full check, all data read", "prune": "prune of half the backups"}

# (what, scenario, against, ratio that is wanted)
TARGETS = [("first backup", "first", "restic", 4.0), ("unchanged backup", "unchanged", "restic", 5.0),
           ("restore", "restore", "restic", 3.0), ("full check", "check", "restic", 3.0)]
MAX_MEMORY_KIB = 150_000_000 / 1024


def values(results, tool, scenario, field="seconds"):
    return [r[field] for r in results["rounds"].get(tool, {}).get(scenario, [])]


def median(results, tool, scenario, field="seconds"):
    found = values(results, tool, scenario, field)
    return statistics.median(found) if found else None


def timing(results, tool, scenario):
    found = values(results, tool, scenario)
    if not found:
        return "–"
    return f"**{statistics.median(found):.2f} s** ({min(found):.2f}–{max(found):.2f})"


def ratio(results, peer, scenario):
    """How many times faster Holdfast is."""
    own, other = median(results, "holdfast", scenario), median(results, peer, scenario)
    return f"{other / own:.1f} ×" if own and other else "–"


def mib(kib):
    return f"{kib / 1024:.0f} MiB"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def times(results):
    tools = results["tools"]
    peers = [tool for tool in tools if tool != "holdfast"]
    header = ["", *tools, *[f"against {peer}" for peer in peers]]
    rows = [[label, *[timing(results, tool, scenario) for tool in tools],
             *[ratio(results, peer, scenario) for peer in peers]]
            for scenario, label in LABELS.items()]
    copy = timing(results, "cp", "restore")
    rows.append([f"`cp -a` of the same tree: {copy}", *[""] * (len(header) - 1)])
    return table(header, rows)


def memory(results):
    return table(["peak memory", *results["tools"]],
                 [[label, *[mib(max(values(results, tool, scenario, "peak_kib") or [0]))
                            for tool in results["tools"]]] for scenario, label in LABELS.items()])


def sizes(results):
    labels = {"first": "after the first backup", "six": "after six backups",
              "pruned": "after the prune"}
    return table(["size on disk", *results["tools"]],
                 [[label, *[f"{statistics.median(results['sizes'][tool][key]) / 2**20:.1f} MiB"
                            for tool in results["tools"]]] for key, label in labels.items()])


def verdicts(results):
    rows = []
    for what, scenario, peer, wanted in TARGETS:
        own, other = median(results, "holdfast", scenario), median(results, peer, scenario)
        if own and other:
            rows.append([f"{what}: {wanted:g} × {peer}'s speed", f"{other / own:.1f} ×",
                         "met" if other / own >= wanted else "**missed**"])
    own, copy = median(results, "holdfast", "restore"), median(results, "cp", "restore")
    if own and copy:
        rows.append(["restore: at most 1.2 × `cp -a`", f"{own / copy:.2f} ×",
                     "met" if own / copy <= 1.2 else "**missed**"])
    if {"holdfast", "restic"} <= set(results["tools"]):
        own, other = (statistics.median(results["sizes"][tool]["first"])
                      for tool in ("holdfast", "restic"))
        rows.append(["vault no larger than restic's", f"{own / other:.2f} ×",
                     "met" if own <= other else "**missed**"])
    if "holdfast" in results["tools"]:
        peak = max(max(values(results, "holdfast", scenario, "peak_kib") or [0])
                   for scenario in LABELS)
        rows.append(["at most 150 MB of memory", f"{peak * 1024 / 1e6:.0f} MB",
                     "met" if peak <= MAX_MEMORY_KIB else "**missed**"])
    return table(["target", "measured", ""], rows) if rows else ""


def local(results):
    return f"""{times(results)}
{verdicts(results)}
{memory(results)}
{sizes(results)}"""


def settings():
    return """- Holdfast with a key file and its defaults; restic with its defaults; borg with repokey-blake2 and
  `--compression zstd,3`. Checks: `validate all --read-data`, `check --read-data`,
  `check --verify-data`. Prune: the oldest three of six backups, `retention apply` with
  `keep_last: 3` and `prune --grace 0s`; `forget --keep-last 3 --prune`; `prune --keep-last 3` and `compact`."""


def page(results, s3_section=""):
    corpus, rounds = results["corpus"], results["round_count"]
    machine = "\n".join(f"- {key}: {value}" for key, value in results["machine"].items())
    versions = "\n".join(f"- {version}" for version in results["versions"].values())
    versions += f"\n- Holdfast's commit: {results['commit']}"
    small = "\n**A short trial on a small corpus: says nothing about speed.**\n" if results[
        "small"] else ""
    return f"""# Benchmark of {results["date"]}
{small}
{corpus["files"]:,} files, {corpus["bytes"] / 2**30:.2f} GiB, copied from this machine's own trees.
Median of {rounds} rounds after a warm-up, in brackets the fastest and the slowest. The tools take
turns within each step, in another order each round, on the same data and file system, with
everything in the page cache (the corpus is read in before each backup) and `sync` before each
measurement. Restored trees are set aside, not deleted, while there is space, and before a restore root
drops the kernel's caches and reads the repository in again: ext4 without a journal shuns inodes that were
deleted in the last six minutes, and passing over them would take most of the time of any restore, and of
`cp`. After a large deletion the bench waits that long. Repositories and caches are new in each round; in
the warm-up each restored tree was compared with the corpus.

{local(results) if results["rounds"] else ""}
{s3_section}
## Machine

{machine}

## Versions and settings

{versions}
{settings()}

## To repeat

    make bench                       # ROUNDS=3, BENCH_DIR=build/bench
    make bench BENCH_SMALL=1         # does everything once, on little data
    make bench BENCH_PARTS=s3        # or local; both by default

The raw numbers are in the file of the same name that ends in `.json`.
"""


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(
        ).split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine(work):
    cpu = next((line.split(":", 1)[1].strip()
                for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n")
                if line.startswith("model name")), platform.machine())
    memory_kib = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    release = next((line.split("=", 1)[1].strip('"')
                    for line in pathlib.Path("/etc/os-release").read_text().split("\n")
                    if line.startswith("PRETTY_NAME=")), "unknown")
    file_system = first_line(["findmnt", "-n", "-o", "FSTYPE", "-T", str(work)])
    return {"processor": f"{cpu}, {len(os.sched_getaffinity(0))} cores",
            "memory": f"{memory_kib / 2**20:.0f} GiB", "file system": file_system,
            "system": f"{release}, Linux {platform.release()}"}
