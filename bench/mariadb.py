#!/usr/bin/env python3
"""mariadb.py [PROGRAM]: Holdfast beside mariadb-backup in a pipe, as scripts have it, on the same MariaDB
server, in turns; then the binary log streamed under load. Writes a page into bench/results. Needs root.

Environment: ROUNDS (3), MARIADB_MB (2100), STREAM_SECONDS (20), BENCH_SMALL=1 (a short trial whose page
goes into BENCH_DIR), BENCH_PARTS (must have "mariadb" when it is set). The server lies in /var/tmp.
"""

import bisect
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # leave nothing beside the sources

from mariadb_server import Server
from postgres_server import run

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCENARIOS = {"full": "full backup", "unchanged": "nothing changed", "restore": "restore and prepare"}


class Holdfast:
    name = "Holdfast"

    def __init__(self, program, folder, server):
        self.program, self.folder, self.server = program, folder / "holdfast", server
        self.target = folder / "restored-holdfast"

    def command(self, *words):
        return [self.program, "--config", self.folder / "holdfast.yaml", "--quiet", *words]

    def fresh(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "holdfast.yaml").write_text(
            f"vault: {self.folder}/vault\nkey_file: {self.folder}/key\nstate_dir: {self.folder}/state\n"
            f"cache_dir: {self.folder}/cache\nthreads: 2\nsources:\n  - name: db\n    class: database\n"
            f"    mariadb: {{defaults_file: {self.server.folder}/client.cnf}}\n")
        run(*self.command("init"))

    def backup(self):
        return self.command("backup", "database")

    def restore(self):
        return self.command("restore", "latest:db", "--to-immediate", "--target", self.target)

    def size(self):
        return sum(p.stat().st_size for p in (self.folder / "vault").rglob("*") if p.is_file())


class Pipe:
    """What a script does: every backup is a file of its own, sealed by age as Holdfast seals."""

    name = "pipe"

    def __init__(self, folder, server):
        self.folder, self.server = folder / "pipe", server
        self.target = folder / "restored-pipe"

    def shell(self, line):
        return ["bash", "-e", "-o", "pipefail", "-c", line]

    def fresh(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        run("age-keygen", "-o", self.folder / "key")
        self.recipient = run("age-keygen", "-y", self.folder / "key").strip()

    def backup(self):
        tool = " ".join(map(str, self.server.tool("mariadb-backup")))
        return self.shell(f"{tool} --backup --stream=mbstream --parallel=2 --target-dir={self.folder}/t "
                          f"--datadir={self.server.data} 2>{self.folder}/said | zstd -q -T2 "
                          f"| age -r {self.recipient} > {self.folder}/backup-$(date +%s%N)")

    def restore(self):
        return self.shell(f"mkdir {self.target}; age -d -i {self.folder}/key $(ls {self.folder}/backup-* | tail -1) "
                          f"| zstd -dq | mbstream -x -p 2 -C {self.target}; "
                          f"mariadb-backup --prepare --target-dir={self.target}; "
                          f"chown -R mysql: {self.target}; sync -f {self.target}")

    def size(self):
        return sum(p.stat().st_size for p in self.folder.glob("backup-*"))


def timed(command):
    os.sync()
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


def one_round(server, tools):
    found = {tool.name: {} for tool in tools} | {"others": {}}

    def each(scenario, operation):
        for tool in tools:
            found[tool.name][scenario] = timed(operation(tool))
            print(f"  {scenario:<10} {tool.name:<9} {found[tool.name][scenario]:8.2f} s", flush=True)

    for tool in tools:
        shutil.rmtree(tool.target, ignore_errors=True)
        tool.fresh()
    each("full", lambda tool: tool.backup())
    each("unchanged", lambda tool: tool.backup())
    each("restore", lambda tool: tool.restore())
    for tool in tools:
        found[tool.name]["bytes"] = tool.size()
        shutil.rmtree(tool.target, ignore_errors=True)
    dump = " ".join(map(str, server.tool("mariadb-dump", "--single-transaction", "--all-databases")))
    found["others"]["mariadb-dump"] = timed(["sh", "-c", f"{dump} > /dev/null"])
    return found


class Sampler:
    """How far the server and the vault are, as long as the `with` lasts. The server is asked every 50 ms;
    what is durable are the log objects that stand in the vault."""

    CHUNK = 16 << 20  # of a file of the binary log: docs/FORMAT.md

    def __init__(self, server, tool):
        self.server_, self.log_ = server, tool.folder / "vault/log/db"
        self.answers_, self.end_ = [], threading.Event()

    def __enter__(self):
        self.thread_ = threading.Thread(target=self.ask_)
        self.thread_.start()
        return self

    def __exit__(self, *_):
        self.end_.set()
        self.thread_.join()

    def durable(self):
        """(file, offset) up to which the vault has the log: FILE.CHUNK[.BEGIN-END].hfl"""
        found = [("", 0)]
        for path in self.log_.glob("*/*.hfl"):
            words = path.name.removesuffix(".hfl").split(".")
            end = int(words.pop().split("-")[1], 16) if "-" in words[-1] else self.CHUNK
            found.append((".".join(words[:-1]), int(words[-1], 16) * self.CHUNK + end))
        return max(found)

    def ask_(self):
        while not self.end_.wait(0.05):
            self.answers_.append((time.monotonic(), self.server_.position(), self.durable()))

    def lags(self):
        positions = [position for _, position, _ in self.answers_]
        newest = ((at, bisect.bisect_right(positions, durable) - 1) for at, _, durable in self.answers_)
        return [at - self.answers_[index][0] for at, index in newest if index >= 0]


def under_stream(server, tool, seconds):
    run(*tool.backup())
    with open(tool.folder / "stream.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen([str(w) for w in tool.command("stream", "db")], stdout=log, stderr=log)
    try:
        for _ in range(200):
            if Sampler(server, tool).durable() >= server.position():
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"bench: the stream did not catch up: {(tool.folder / 'stream.log').read_text()}")
        with Sampler(server, tool) as sampler:
            tps = server.load(seconds)
        return {"tps": tps, "lags": sampler.lags()}
    finally:
        process.terminate()
        process.wait()


def page(results):
    middle = statistics.median
    lines = [f"# MariaDB, {results['date']}", "",
             f"`bench/mariadb.py`, {results['rounds']} rounds after a warm-up, {os.cpu_count()} cores, load "
             f"{results['load']} before it; a data directory of {results['bytes'] / 2**30:.2f} GiB; "
             f"{results['version']}; the pipe is `mariadb-backup --stream | zstd -T2 | age`, back through "
             "`mbstream -x` and `--prepare`; medians of wall-clock seconds.", "",
             "| | Holdfast | pipe | ratio |", "|---|---|---|---|"]
    for scenario, name in SCENARIOS.items():
        ours, theirs = (middle(r[tool][scenario] for r in results["runs"]) for tool in ("Holdfast", "pipe"))
        lines.append(f"| {name} | {ours:.2f} s | {theirs:.2f} s | {theirs / ours:.1f} × |")
    ours, theirs = (middle(r[tool]["bytes"] for r in results["runs"]) / 2**20 for tool in ("Holdfast", "pipe"))
    lines.append(f"| both backups take | {ours:,.0f} MiB | {theirs:,.0f} MiB | {theirs / ours:.1f} × |")
    dump = middle(r["others"]["mariadb-dump"] for r in results["runs"])
    lags = statistics.quantiles([lag for s in results["streams"] for lag in s["lags"]], n=100)
    alone, beside = middle(results["alone"]), middle(s["tps"] for s in results["streams"])
    lines += [f"| mariadb-dump into nothing | | {dump:.2f} s | |", "",
              "## The recovery point under load", "",
              f"Four sessions update rows by chance, each its own transaction, {results['seconds']} s for each line. "
              "Every 50 ms the end of the server's log is compared with what stands in the vault.", "",
              "| | tps | of alone | lag 50 % | 90 % | 99 % |", "|---|---|---|---|---|---|",
              f"| nothing | {alone:.0f} | 100% | | | |",
              f"| stream, directory | {beside:.0f} | {beside / alone:.0%} | " +
              " | ".join(f"{lags[q - 1]:.3f} s" for q in (50, 90, 99)) + " |"]
    return "\n".join(lines) + "\n"


def main():
    if "mariadb" not in os.environ.get("BENCH_PARTS", "mariadb").split(","):
        return
    if os.geteuid():
        print("bench: no MariaDB part: it needs root, to be the server's user")
        return
    small = os.environ.get("BENCH_SMALL", "0") not in ("", "0")
    program = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                           ROOT / "build/release/bin/holdfast").resolve()
    rounds = int(os.environ.get("ROUNDS", "1" if small else "3"))
    seconds = int(os.environ.get("STREAM_SECONDS", "5" if small else "20"))
    busy = f"{os.getloadavg()[0]:.1f}"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir="/var/tmp"))
    server = Server(folder)
    try:
        server.fill(int(os.environ.get("MARIADB_MB", "200" if small else "2100")))
        holdfast, pipe = Holdfast(program, folder, server), Pipe(folder, server)
        runs = []
        for number in range(rounds + 1):
            print(f"bench: MariaDB, round {number}" if number else "bench: warm-up", flush=True)
            found = one_round(server, [holdfast, pipe] if number % 2 else [pipe, holdfast])
            if number:
                runs.append(found)
        alone, streams = [], []
        for _ in range(rounds):
            alone.append(server.load(seconds))
            holdfast.fresh()
            streams.append(under_stream(server, holdfast, seconds))
        results = {"date": datetime.date.today().isoformat(), "rounds": rounds, "bytes": server.bytes,
                   "load": busy, "runs": runs, "alone": alone, "streams": streams, "seconds": seconds,
                   "version": "MariaDB " + server.sql("select version()")}
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    place = (pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/bench")) / "small/results" if small
             else ROOT / "bench/results")
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{results['date']}-mariadb.md").write_text(page(results), encoding="utf-8")
    for stream in results["streams"]:
        stream["lags"] = [round(lag, 3) for lag in stream["lags"]]
    (place / f"{results['date']}-mariadb.json").write_text(json.dumps(results) + "\n")
    print()
    print(page(results))


if __name__ == "__main__":
    main()
