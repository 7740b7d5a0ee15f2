#!/usr/bin/env python3
"""postgres.py [PROGRAM]: Holdfast and pgBackRest on the same PostgreSQL cluster, in turns; beside them
pg_basebackup and pg_dump into nothing; then the log streamed under load (postgres_stream.py). Writes a
page into bench/results. Needs root.

Environment: ROUNDS (3), PG_SCALE (150), STREAM_SECONDS (20), BENCH_PARTS (must have "postgres" when it is
set). The cluster lies in /var/tmp.
"""

import datetime
import itertools
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # leave nothing beside the sources

import postgres_stream
from postgres_server import AS_POSTGRES, Server, run

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = {"full": 2.5, "unchanged": 5, "restore": 1.5, "wal": 1.5}


class Holdfast:
    name = "Holdfast"

    def __init__(self, program, folder, server):
        self.program, self.folder, self.server = program, folder / "holdfast", server
        self.target = folder / "restored-holdfast"
        self.numbers_ = itertools.count()

    def command(self, *words):
        return [self.program, "--config", self.folder / "holdfast.yaml", "--quiet", *words]

    def fresh(self, store=None, url=None):
        """With a new vault: in a directory, or in a bucket of `store`, by `url` if it is given."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.environment, vault, stores = dict(os.environ), f"{self.folder}/vault", ""
        if store:
            self.environment |= store.environment()
            vault = f"s3://pg-{next(self.numbers_)}"
            run("/usr/bin/aws", "--endpoint-url", store.url, "s3", "mb", vault, env=self.environment)
            stores = f"stores:\n  - {{url: 's3://', endpoint: {url or store.url}}}\n"
        (self.folder / "holdfast.yaml").write_text(
            f"vault: {vault}\n{stores}key_file: {self.folder}/key\nstate_dir: {self.folder}/state\n"
            f"cache_dir: {self.folder}/cache\nthreads: 2\nsources:\n  - name: pg\n    class: database\n"
            f"    postgresql: {{connection: 'host={self.server.socket}'}}\n")
        run(*self.command("init"), env=self.environment)

    def backup(self):
        return self.command("backup", "database")

    def restore(self):
        shutil.rmtree(self.target, ignore_errors=True)
        return self.command("restore", "latest:pg", "--to-immediate", "--target", self.target)

    def push(self, segment):
        # The whole queue, as an archiver would: the first call takes the others along.
        return self.command("wal-push", "--source", "pg", f"pg_wal/{segment}")


class PgBackRest:
    name = "pgBackRest"

    def __init__(self, folder, server):
        self.folder, self.server = folder / "pgbackrest", server
        self.target = folder / "restored-pgbackrest"

    def command(self, *words):
        return [*AS_POSTGRES, "pgbackrest", f"--config={self.folder}/pgbackrest.conf",
                "--stanza=pg", *words]

    def fresh(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in (self.folder, *(self.folder / n for n in ("repo", "log", "spool", "lock"))):
            path.mkdir()
            shutil.chown(path, "postgres", "postgres")
        (self.folder / "pgbackrest.conf").write_text(
            f"[global]\nrepo1-path={self.folder}/repo\nlog-path={self.folder}/log\n"
            f"spool-path={self.folder}/spool\nlock-path={self.folder}/lock\n"
            "repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=benchmark\ncompress-type=zst\n"
            "process-max=2\nstart-fast=y\narchive-check=n\narchive-copy=n\narchive-async=y\n"
            "log-level-console=error\n"
            f"[pg]\npg1-path={self.server.data}\npg1-socket-path={self.server.socket}\n")
        run(*self.command("stanza-create"))

    def backup(self, kind="full"):
        return self.command("backup", f"--type={kind}")

    def restore(self):
        shutil.rmtree(self.target, ignore_errors=True)
        self.target.mkdir()
        shutil.chown(self.target, "postgres", "postgres")
        self.target.chmod(0o700)
        return self.command("restore", "--type=immediate", f"--pg1-path={self.target}")

    def push(self, segment):
        return self.command("archive-push", f"pg_wal/{segment}")


def timed(command, **options):
    os.sync()
    start = time.monotonic()
    run(*command, **options)
    return time.monotonic() - start


def one_round(server, holdfast, pgbackrest, segments, number):
    found = {"Holdfast": {}, "pgBackRest": {}, "others": {}}
    turn = [holdfast, pgbackrest] if number % 2 else [pgbackrest, holdfast]

    def each(scenario, operation):
        for tool in turn:
            seconds = operation(tool)
            found[tool.name][scenario] = seconds
            print(f"  {scenario:<10} {tool.name:<11} {seconds:8.2f} s", flush=True)

    for tool in turn:
        tool.fresh()
    server.sql("checkpoint")
    each("full", lambda tool: timed(tool.backup()))
    each("unchanged", lambda tool: timed(
        tool.backup() if tool is holdfast else tool.backup("incr")))
    each("restore", lambda tool: timed(tool.restore()))
    for tool in turn:
        shutil.rmtree(tool.target, ignore_errors=True)
    each("wal", lambda tool: push_all(server, tool, segments))
    found["others"]["pg_basebackup"] = timed(
        [*AS_POSTGRES, "sh", "-c", f"pg_basebackup -h {server.socket} -D - -Ft -X none -c fast >/dev/null"])
    found["others"]["pg_dump"] = timed(
        [*AS_POSTGRES, "sh", "-c", f"pg_dump -h {server.socket} bench >/dev/null"])
    return found


def push_all(server, tool, segments):
    """From the moment that all segments wait to the moment that each has been answered for."""
    status = server.data / "pg_wal" / "archive_status"
    for name in segments:
        (status / f"{name}.done").unlink(missing_ok=True)
        (status / f"{name}.ready").touch()
        shutil.chown(status / f"{name}.ready", "postgres", "postgres")
    seconds = 0.0
    for name in segments:
        seconds += timed(tool.push(name), cwd=server.data)
        (status / f"{name}.ready").unlink(missing_ok=True)
    return seconds


def page(results):
    lines = [f"# PostgreSQL, {results['date']}", "",
             f"`bench/postgres.py`, {results['rounds']} rounds after a warm-up, {os.cpu_count()} cores; "
             f"pgbench scale {results['scale']}, {results['bytes'] / 2**30:.2f} GiB; PostgreSQL 15; both tools "
             f"encrypt, zstd, 2 processes, page checksums verified; medians of wall-clock seconds.",
             f"pgBackRest: {results['pgbackrest']}. WAL: {results['segments']} segments of 16 MiB that wait, "
             "each pushed by a call of its own.", "",
             "| | Holdfast | pgBackRest | ratio | target |", "|---|---|---|---|---|"]
    names = {"full": "full backup", "unchanged": "nothing changed", "restore": "restore",
             "wal": "WAL push"}
    for scenario, name in names.items():
        ours, theirs = (statistics.median(r[tool][scenario] for r in results["runs"])
                        for tool in ("Holdfast", "pgBackRest"))
        lines.append(f"| {name} | {ours:.2f} s | {theirs:.2f} s | {theirs / ours:.1f} × | "
                     f"{TARGETS[scenario]} × |")
    for other in ("pg_basebackup", "pg_dump"):
        seconds = statistics.median(r["others"][other] for r in results["runs"])
        lines.append(f"| {other} into nothing | | {seconds:.2f} s | | |")
    return "\n".join(lines) + "\n" + postgres_stream.page(results["streams"])


def main():
    if "postgres" not in os.environ.get("BENCH_PARTS", "postgres").split(","):
        return
    if os.geteuid():
        print("bench: no PostgreSQL part: it needs root, to be the server's user")
        return
    program = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                           ROOT / "build/release/bin/holdfast").resolve()
    rounds, scale = int(os.environ.get("ROUNDS", "3")), os.environ.get("PG_SCALE", "150")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir="/var/tmp"))
    server = Server(folder)
    try:
        server.fill(scale)
        segments = server.segments()
        holdfast, pgbackrest = Holdfast(program, folder, server), PgBackRest(folder, server)
        runs = []
        for number in range(rounds + 1):
            print(f"bench: PostgreSQL, round {number}" if number else "bench: warm-up", flush=True)
            found = one_round(server, holdfast, pgbackrest, segments, number)
            if number:
                runs.append(found)
        streams = postgres_stream.play(server, holdfast, folder, rounds)
        results = {"date": datetime.date.today().isoformat(), "rounds": rounds, "scale": scale,
                   "bytes": server.bytes, "segments": len(segments), "runs": runs,
                   "streams": streams,
                   "pgbackrest": run("pgbackrest", "version").strip()}
    finally:
        server.control("stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)
    target = ROOT / "bench" / "results" / f"{results['date']}-postgres"
    target.with_suffix(".md").write_text(page(results), encoding="utf-8")
    target.with_suffix(".json").write_text(json.dumps(
        {**results, "streams": postgres_stream.for_json(results["streams"])}, indent=1) + "\n")
    print()
    print(page(results))


if __name__ == "__main__":
    main()
