"""How far `holdfast stream` is behind a server under load, and what that and a backup cost the server.

The lag is taken from outside, from the server: every 20 ms it says how far its own log is durable and
how far the stream has answered for it. The recovery point's lag at a moment is the age of the newest
position that had been answered for; what the answer takes on its way counts as lag, too."""

import bisect
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import threading
import time

import delay_proxy
import lab
from postgres_server import run

SECONDS = int(os.environ.get("STREAM_SECONDS", "20"))
DELAY_MS = 50
EDGES = [0.05, 0.1, 0.2, 0.3, 0.5, 1, 2]
SAMPLE = ("select extract(epoch from clock_timestamp()), pg_current_wal_flush_lsn() - '0/0', "
          "(select flush_lsn - '0/0' from pg_stat_replication where application_name = 'holdfast');\n")


class Sampler:
    """Asks the server as long as the `with` lasts; lags() then has one number for each answer."""

    def __init__(self, server):
        self.server_, self.answers_, self.end_ = server, [], threading.Event()

    def __enter__(self):
        self.psql_ = subprocess.Popen(self.server_.psql("-F", " "), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, bufsize=1)
        self.thread_ = threading.Thread(target=self.ask_)
        self.thread_.start()
        return self

    def __exit__(self, *_):
        self.end_.set()
        self.thread_.join()
        self.psql_.stdin.close()
        self.psql_.wait()

    def ask_(self):
        while not self.end_.wait(0.02):
            self.psql_.stdin.write(SAMPLE)
            answer = self.psql_.stdout.readline().split()
            if len(answer) == 3:
                self.answers_.append((float(answer[0]), int(answer[1]), int(answer[2])))

    def lags(self):
        positions = [position for _, position, _ in self.answers_]
        lags = []
        for at, _, durable in self.answers_:
            newest = bisect.bisect_right(positions, durable) - 1
            if newest >= 0:  # else what is durable is older than the first question
                lags.append(max(0.0, at - self.answers_[newest][0]))
        return lags


@contextlib.contextmanager
def streaming(server, tool):
    """`holdfast stream` as a service beside what the `with` does, once it has caught up: a new slot
    begins at the last checkpoint."""
    server.sql("checkpoint")
    with open(tool.folder / "stream.log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen([str(w) for w in tool.command("stream", "pg")], stdout=log, stderr=log,
                                   env=tool.environment)
        try:
            for _ in range(300):
                if server.sql("select count(*) from pg_stat_replication "
                              "where application_name = 'holdfast' "
                              "and flush_lsn >= pg_current_wal_flush_lsn()") == "1":
                    break
                if process.poll() is not None:
                    break
                time.sleep(0.1)
            else:
                log.seek(0)
                raise SystemExit(f"bench: the stream did not start: {log.read()}")
            yield
        finally:
            process.terminate()
            process.wait()


def load(server):
    """Transactions a second that pgbench got through."""
    return float(re.search(r"^tps = ([0-9.]+)", run(*server.pgbench(SECONDS)), re.MULTILINE).group(1))


def under_stream(server, tool):
    with streaming(server, tool), Sampler(server) as sampler:
        tps = load(server)
    lags = sampler.lags()
    if not lags:
        raise SystemExit("bench: the stream answered for nothing")
    return {"tps": tps, "lags": lags}


def under_backup(server, tool):
    """Backups one after the other, as long as the load lasts."""
    done, seconds = threading.Event(), []

    def backups():
        while not done.is_set():
            start = time.monotonic()
            run(*tool.command("backup", "database"), env=tool.environment)
            seconds.append(time.monotonic() - start)

    thread = threading.Thread(target=backups)
    thread.start()
    try:
        tps = load(server)
    finally:
        done.set()
        thread.join()
    return {"tps": tps, "backups": len(seconds), "seconds": statistics.median(seconds)}


def one_round(server, tool, store):
    """{setting: {"tps": …}}, each with a vault of its own."""
    found = {}

    def note(name, result):
        found[name] = result
        lags = result.get("lags")
        print(f"  {name:<22} {result['tps']:8.0f} tps" +
              (f"   lag 50 % {quantile(lags, 50):.3f} s, 99 % {quantile(lags, 99):.3f} s" if lags else ""),
              flush=True)

    def streamed(name, *where):
        tool.fresh(*where)
        note(name, under_stream(server, tool))
        # A slot would keep the log of what comes next.
        server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots")

    note("nothing", {"tps": load(server)})
    streamed("stream, directory")
    if store:
        streamed("stream, S3", store)
        with delay_proxy.DelayProxy(store.address, DELAY_MS) as proxy:
            streamed(f"stream, S3 + {DELAY_MS} ms", store, f"http://{proxy.address}")
    tool.fresh()
    note("full backups", under_backup(server, tool))
    return found


def quantile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def histogram(lags):
    """Shares of the time with a lag below each of EDGES, and above the last."""
    counts = [0] * (len(EDGES) + 1)
    for lag in lags:
        counts[bisect.bisect_left(EDGES, lag)] += 1
    return [count / len(lags) for count in counts]


def play(server, tool, folder, rounds):
    """A list of rounds. Without Ceph's packages there is no part with S3, and it is said."""
    print(f"bench: PostgreSQL, the stream under load, {rounds} rounds of {SECONDS} s a line", flush=True)
    absent = [name for name in lab.PROGRAMS[:4] if not shutil.which(name)]
    if absent:
        print(f"bench: no part with S3: {', '.join(absent)} missing", flush=True)
        return [one_round(server, tool, None) for _ in range(rounds)]
    with lab.Lab(folder / "lab") as store:
        return [one_round(server, tool, store) for _ in range(rounds)]


def page(rounds):
    lines = ["", "## The recovery point under load", "",
             f"pgbench with 4 clients, as fast as it can, {SECONDS} s for each line, {len(rounds)} rounds; "
             "the lag was taken from the server every 20 ms.", "",
             "| | tps | of alone | lag 50 % | 90 % | 99 % | longest |", "|---|---|---|---|---|---|---|"]
    alone = statistics.median(one["nothing"]["tps"] for one in rounds)
    rows = []
    for name in rounds[0]:
        tps = statistics.median(one[name]["tps"] for one in rounds)
        lags = [lag for one in rounds for lag in one[name].get("lags", [])]
        row = f"| {name} | {tps:.0f} | {tps / alone:.0%} |"
        if lags:
            row += "".join(f" {quantile(lags, p):.3f} s |" for p in (50, 90, 99)) + f" {max(lags):.3f} s |"
            rows.append((name, histogram(lags)))
        else:
            row += " | | | |"
        lines.append(row)
    edges = [f"≤ {edge} s" for edge in EDGES] + [f"> {EDGES[-1]} s"]
    lines += ["", "Share of the time:", "", "| lag | " + " | ".join(edges) + " |",
              "|---" * (len(edges) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |" for name, shares in rows]
    return "\n".join(lines) + "\n"


def for_json(rounds):
    return [{name: {**{k: v for k, v in result.items() if k != "lags"},
                    **({"lag": {str(p): round(quantile(result["lags"], p), 4) for p in (50, 90, 99, 100)}}
                       if "lags" in result else {})}
             for name, result in one.items()} for one in rounds]
