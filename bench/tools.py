"""Holdfast and its peers, behind the same few operations, each a list of command lines."""

import os
import re
import shutil
import signal
import subprocess
import time

from corpus import measure

SECRET = "a passphrase for the benchmark"
KEEP = 3  # backups that a prune leaves
MANY_FILES = 10000


def run_to_end(command, **options):
    """The exit code. When the benchmark is interrupted, all that the command started ends, too."""
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


class Run:
    """What one operation took: seconds on the clock, seconds of processor, KiB at the peak; with a
    store that runs on this machine, also its seconds of processor."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0
        self.peak_kib = 0
        self.store_seconds = None

    def add(self, seconds, report):
        def field(name):
            return float(re.search(re.escape(name) + r"[^:]*: ([0-9.]+)", report).group(1))

        self.seconds += seconds
        self.cpu_seconds += field("User time") + field("System time")
        self.peak_kib = max(self.peak_kib, int(field("Maximum resident set size")))

    def as_dict(self):
        found = {"seconds": round(self.seconds, 4), "cpu_seconds": round(self.cpu_seconds, 2),
                 "peak_kib": self.peak_kib}
        if self.store_seconds is not None:
            found["store_seconds"] = round(self.store_seconds, 2)
        return found


def remove_tree(path):
    """Removes `path` and what is below it, and remembers when many files went."""
    many = measure(path)[0] >= MANY_FILES
    shutil.rmtree(path, ignore_errors=True)
    if many:
        Removals.last = time.monotonic()


class Removals:
    """When a tree of many files was removed last, and how long ext4 remembers that."""

    last = None
    remembered = 365  # seconds: RECENTCY_MIN + RECENTCY_DIRTY of fs/ext4/ialloc.c, and some air


def attic(work):
    return work / "attic"


def set_aside(path, work):
    """Moves a restored tree out of the way, or removes it when space gets short."""
    if not path.exists():
        return
    attic(work).mkdir(exist_ok=True)
    if shutil.disk_usage(work).free > 8 * measure(path)[1]:
        path.rename(attic(work) / str(len(list(attic(work).iterdir()))))
    else:
        remove_tree(path)


def forget_deletions(*needed):
    """ext4 without a journal shuns inodes that were deleted minutes ago, and looks at each of them
    again for every file that it creates (recently_deleted in fs/ext4/ialloc.c): after a deleted
    tree of 100,000 files that takes most of a restore's time, or of cp's. So this waits until that
    is over, has the caches dropped, and reads the folders `needed` in again. Without root the caches
    stay."""
    if Removals.last is not None:
        time.sleep(max(0, Removals.last + Removals.remembered - time.monotonic()))
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3\n")
    except OSError:
        return
    read_in(*needed)


def read_in(*folders):
    """Into the page cache. Borg asks the kernel to forget each file that it has read."""
    subprocess.run(["find", *map(str, folders), "-type", "f", "-exec", "cat", "{}", "+"],
                   stdout=subprocess.DEVNULL, check=True)


class Tool:
    """A program with its own folder: repository, caches, home, log. Subclasses say what is typed."""

    name = ""
    # Exit codes of a run that did its work; borg's and Holdfast's warnings are in the log.
    good = (0,)

    def __init__(self, work, corpus, program=None, folder=None):
        self.folder = work / (folder or self.name)
        self.corpus = corpus
        self.program = str(program or shutil.which(self.name) or "")
        if not self.program:
            raise SystemExit(f"bench: {self.name} is not installed; make bench installs it")
        self.repository = self.folder / "repository"
        self.target = self.folder / "restored"
        self.log_ = self.folder / "log"
        self.backups = 0

    def environment(self):
        home = self.folder / "home"
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(home),
                "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config"),
                "XDG_STATE_HOME": str(home / "state")}

    def measure(self, commands, cwd=None):
        """Runs the commands one after the other, on a file system with nothing left to write."""
        os.sync()
        run = Run()
        for command in commands:
            report = self.folder / "time"
            with open(self.log_, "ab") as log:
                log.write(("$ " + " ".join(command) + "\n").encode())
                log.flush()
                start = time.perf_counter()
                code = run_to_end(["/usr/bin/time", "-v", "-o", report, *command], stdout=log,
                                  stderr=log, stdin=subprocess.DEVNULL, cwd=cwd or self.folder,
                                  env=self.environment())
                seconds = time.perf_counter() - start
            if code not in self.good:
                raise SystemExit(f"bench: '{' '.join(command)}' ended with {code}; see {self.log_}")
            run.add(seconds, report.read_text())
        return run

    def fresh(self):
        """An empty repository with nothing remembered from earlier rounds."""
        remove_tree(self.folder)
        (self.folder / "home").mkdir(parents=True)
        self.backups = 0
        self.prepare()
        self.measure([self.init()])

    def prepare(self):
        pass

    def backup(self):
        self.backups += 1
        read_in(self.corpus)
        return self.measure([self.create()])

    def restore(self):
        remove_tree(self.target)
        self.target.mkdir()
        forget_deletions(*self.read_by_restore())
        return self.measure([self.extract()], cwd=self.target)

    def read_by_restore(self):
        """The folders that are to be in memory, as they would be right after a backup."""
        return [self.folder]

    def restored(self):
        """Where the corpus is after restore()."""
        return self.target / str(self.corpus).lstrip("/")

    def check(self):
        return self.measure([self.verify()])

    def prune(self):
        return self.measure(self.forget())

    def size(self):
        """Bytes that the repository takes on the disk."""
        out = subprocess.run(["du", "-s", "-B1", self.repository], capture_output=True, check=True)
        return int(out.stdout.split()[0])

    def version(self):
        out = subprocess.run([self.program, *self.version_arguments], capture_output=True, text=True,
                             check=True, env={**os.environ, **self.environment()})
        return out.stdout.strip().split("\n")[0]

    version_arguments = ["version"]


class Holdfast(Tool):
    name = "holdfast"
    good = (0, 3)

    def settings(self, vault=None):
        return (f"vault: {vault or self.repository}\nkey_file: {self.folder}/key\n"
                f"state_dir: {self.folder}/state\ncache_dir: {self.folder}/cache\n"
                f"retention:\n  default: {{keep_last: {KEEP}}}\n"
                f"sources:\n  - name: corpus\n    class: files\n    paths: [{self.corpus}]\n")

    def prepare(self):
        (self.folder / "holdfast.yaml").write_text(self.settings())

    def command_(self, *words):
        return [self.program, "--config", str(self.folder / "holdfast.yaml"), "--progress", "none",
                *words]

    def init(self):
        return self.command_("init")

    def create(self):
        return self.command_("backup", "files", "corpus")

    def extract(self):
        return self.command_("restore", "latest:corpus", "--target", str(self.target))

    def verify(self):
        return self.command_("validate", "all", "--read-data")

    def forget(self):
        return [self.command_("retention", "apply"),
                self.command_("prune", "--grace", "0s")]


class Restic(Tool):
    name = "restic"

    def environment(self):
        return {**super().environment(), "RESTIC_REPOSITORY": str(self.repository),
                "RESTIC_PASSWORD": SECRET}

    def init(self):
        return [self.program, "init"]

    def create(self):
        return [self.program, "backup", "--quiet", str(self.corpus)]

    def extract(self):
        return [self.program, "restore", "latest", "--target", str(self.target)]

    def verify(self):
        return [self.program, "check", "--read-data"]

    def forget(self):
        return [[self.program, "forget", "--keep-last", str(KEEP), "--prune"]]


class Borg(Tool):
    name = "borg"
    good = (0, 1)
    version_arguments = ["--version"]

    def environment(self):
        return {**super().environment(), "BORG_REPO": str(self.repository),
                "BORG_PASSPHRASE": SECRET, "BORG_BASE_DIR": str(self.folder / "home")}

    def init(self):
        return [self.program, "init", "--encryption", "repokey-blake2"]

    def create(self):
        return [self.program, "create", "--compression", "zstd,3", f"::backup-{self.backups}",
                str(self.corpus)]

    def extract(self):
        return [self.program, "extract", f"::backup-{self.backups}"]

    def verify(self):
        return [self.program, "check", "--verify-data"]

    def forget(self):
        return [[self.program, "prune", "--keep-last", str(KEEP)], [self.program, "compact"]]


class Cp(Tool):
    """cp -a of the tree: what a restore costs when there is nothing to decrypt."""

    name = "cp"
    version_arguments = ["--version"]

    def fresh(self):
        remove_tree(self.folder)
        self.folder.mkdir(parents=True)

    def extract(self):
        return [self.program, "-a", str(self.corpus), str(self.target)]

    def read_by_restore(self):
        return [self.corpus]


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def append(collected, new):
    """{name: {what: value}} into {name: {what: [values]}}."""
    for name, entries in new.items():
        for what, value in entries.items():
            collected.setdefault(name, {}).setdefault(what, []).append(value)


def same_tree(expected, found):
    """Whether diff(1) finds the two trees equal."""
    return subprocess.run(["diff", "-rq", "--no-dereference", expected, found],
                          stdout=subprocess.DEVNULL, check=False).returncode == 0


def make(work, corpus, program, names):
    tools = {"holdfast": lambda: Holdfast(work, corpus, program),
             "restic": lambda: Restic(work, corpus), "borg": lambda: Borg(work, corpus)}
    return [tools[name]() for name in names]
