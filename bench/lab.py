"""The store that is measured: one region of lab/regions.sh, on this machine and its processors."""

import os
import pathlib
import re
import shutil
import subprocess
import time

PROGRAMS = ["radosgw", "ceph-mon", "ceph-mgr", "ceph-osd", "aws", "rclone"]
SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "lab/regions.sh"
TICKS = os.sysconf("SC_CLK_TCK")


def missing():
    """The programs without which there is no such store, or nobody to compare with."""
    return [name for name in PROGRAMS if not shutil.which(name)]


class Lab:
    """Runs as long as the `with` lasts. The other region is stopped: what it fetches would be
    measured, too."""

    def __init__(self, folder):
        self.folder_ = folder

    def __enter__(self):
        if self.folder_.exists():  # of an interrupted run
            self.script_("down")
        try:
            self.script_("up", EAST_PORT="0", WEST_PORT="0", MON_PORT="0")
            self.script_("stop-zone", "west")
        except BaseException:
            self.__exit__()
            raise
        text = (self.folder_ / "lab.env").read_text()
        self.settings_ = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", text, re.MULTILINE))
        self.url = self.settings_["EAST_URL"]
        self.address = self.url.split("//")[1]
        return self

    def __exit__(self, *_):
        if self.folder_.exists():
            self.script_("down")

    def script_(self, command, *words, **environment):
        result = subprocess.run([SCRIPT, command, self.folder_, *words], capture_output=True,
                                text=True, check=False, env={**os.environ, **environment})
        if result.returncode != 0:
            raise SystemExit(f"bench: lab/regions.sh {command}: {result.stderr}")

    def environment(self):
        """The owner's key, as every client of S3 reads it."""
        return {name: self.settings_[name] for name in
                ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")}

    @staticmethod
    def version():
        return subprocess.run(["radosgw", "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()

    def cpu_seconds(self):
        """Of all the store's processes so far."""
        ticks = 0
        for file in (self.folder_ / "run").glob("*.pid"):
            stat = pathlib.Path("/proc", file.read_text().strip(), "stat").read_text()
            ticks += sum(int(field) for field in stat.rsplit(")", 1)[1].split()[11:13])
        return ticks / TICKS

    def settle(self, seconds=0.5, patience=20):
        """Waits until the store has put away what it was given: it works on for a while."""
        for _ in range(int(patience / seconds)):
            before = self.cpu_seconds()
            time.sleep(seconds)
            if self.cpu_seconds() - before < 0.2 * seconds:
                return
