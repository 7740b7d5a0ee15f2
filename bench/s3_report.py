"""The S3 section of the page."""

import statistics

from report import median, mib, ratio, table, timing, values

TREE = {"first": "first backup", "unchanged": "backup, nothing changed", "restore": "restore"}
COPIERS = ["aws", "rclone", "restic"]
MAX_MEMORY = 200_000_000


def rate(s3, tool, scenario):
    seconds = median(s3, tool, scenario)
    return f"{timing(s3, tool, scenario)}, {s3['large']['bytes'] / 1e6 / seconds:.0f} MB/s"


def fastest(s3, scenario):
    return min((median(s3, peer, scenario), peer) for peer in COPIERS)


def large(s3):
    tools = ["holdfast copy", "holdfast", *COPIERS]
    rows = [[label, *[rate(s3, tool, scenario) for tool in tools]]
            for scenario, label in (("upload", "into the bucket"), ("download", "from the bucket"))]
    return table(["", "`holdfast copy`", "`holdfast backup`, `restore`", "`aws s3 cp`",
                  "`rclone copy`", "`restic backup`, `restore`"], rows)


def tree(s3):
    rows = [[label, timing(s3, "holdfast", scenario), timing(s3, "restic", scenario),
             ratio(s3, "restic", scenario)] for scenario, label in TREE.items()]
    return table(["", "holdfast", "restic", "against restic"], rows)


def slower(s3, tool, scenario, base=""):
    """How many times longer with the delay: against the proxy without it, or without a proxy."""
    return median(s3, tool, f"{scenario}_{s3['delay_ms']}") / median(s3, tool, scenario + base)


def proxy_table(s3):
    rows = [[label, f"{s3['proxy'][key]['mb_s']} MB/s", f"{s3['proxy'][key]['ms']} ms"]
            for key, label in (("none", "no proxy"), ("0", "0 ms"),
                               (str(s3["delay_ms"]), f"{s3['delay_ms']} ms"))]
    return table(["proxy", "one connection", "one byte"], rows)


def delayed(s3):
    delay = s3["delay_ms"]
    rows = [[f"{tool}: {label}", timing(s3, tool, scenario), timing(s3, tool, scenario + "_0"),
             timing(s3, tool, f"{scenario}_{delay}"), f"{slower(s3, tool, scenario, '_0'):.2f} ×",
             f"{slower(s3, tool, scenario):.2f} ×"]
            for tool in ("holdfast", "restic")
            for scenario, label in (("first", "first backup"), ("restore", "restore"))]
    return table(["", "no proxy", "proxy, 0 ms", f"proxy, {delay} ms", f"{delay} ms against 0 ms",
                  f"{delay} ms against no proxy"], rows)


def verdicts(s3):
    rows = []

    def row(what, found, unit, good):
        rows.append([what, found + unit, "met" if good else "**missed**"])

    for scenario, what in (("upload", "into the bucket"), ("download", "from the bucket")):
        seconds, peer = fastest(s3, scenario)
        found = seconds / median(s3, "holdfast copy", scenario)
        row(f"large objects {what}, `holdfast copy`: as fast as the fastest other ({peer})",
            f"{found:.2f}", " ×", found >= 1)
    for scenario, what in (("first", "first backup"), ("restore", "restore")):
        found = median(s3, "restic", scenario) / median(s3, "holdfast", scenario)
        row(f"{what} of the tree: 3 × restic's speed", f"{found:.1f}", " ×", found >= 3)
    for scenario, what in (("first", "first backup"), ("restore", "restore")):
        found = slower(s3, "holdfast", scenario, "_0")
        row(f"{what} with {s3['delay_ms']} ms more for each request: below 1.3 × the time",
            f"{found:.2f}", " ×", found < 1.3)
    peak = 1024 * max(run["peak_kib"] for tool in ("holdfast", "holdfast copy")
                      for runs in s3["rounds"][tool].values() for run in runs)
    row("at most 200 MB of memory", f"{peak / 1e6:.0f}", " MB", peak <= MAX_MEMORY)
    return table(["target", "measured", ""], rows)


def work(s3, cores):
    """Who used the processors, and how much memory."""
    delay = s3["delay_ms"]
    labels = {"upload": "large, into", "download": "large, from", **TREE,
              f"first_{delay}": f"first backup, {delay} ms",
              f"restore_{delay}": f"restore, {delay} ms"}
    rows = []
    for scenario, label in labels.items():
        for tool in ("holdfast copy", "holdfast", *COPIERS):
            if not values(s3, tool, scenario):
                continue
            seconds, own, store = (statistics.median(values(s3, tool, scenario, field))
                                   for field in ("seconds", "cpu_seconds", "store_seconds"))
            rows.append([label, tool, f"{seconds:.2f} s", f"{own:.2f} s", f"{store:.2f} s",
                         f"{100 * (own + store) / (cores * seconds):.0f} %",
                         mib(max(values(s3, tool, scenario, "peak_kib")))])
    return table(["", "", "clock", "its processor time", "the store's", f"both, of {cores} cores",
                  "peak memory"], rows)


def section(s3, cores):
    delay = s3["delay_ms"]
    lines = "\n".join(f"- {version}" for version in s3["versions"].values())
    return f"""## S3

One region of [the lab](../../lab/README.md), on the same processors as the programs; the other
region is stopped. Each round has a new store; the warm-up has no delayed part. The tools take
turns, each begins when the store has become quiet, and what came back was compared in every round.

Large objects: {s3["large"]["files"]} files, {s3["large"]["bytes"] / 2**20:.0f} MiB, of noise.
`aws`, `rclone` and `restic` move the files. `holdfast copy` moves a vault that holds the same files
from a directory into the bucket and back; that is what is held against the fastest other one.
`holdfast backup` and `restore` are beside it.

{large(s3)}
The tree of the first part, into a bucket and from it:

{tree(s3)}
The same through a proxy that passes each piece of a request on {delay} ms later and each piece of an
answer at once. What it can carry itself, and how long a byte and its answer take:

{proxy_table(s3)}

{delayed(s3)}
{verdicts(s3)}
The processors' time of the programs and, in the same time, of all the store's processes:

{work(s3, cores)}
{lines}
- All with their defaults.
"""
