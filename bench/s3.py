"""The S3 part: large objects and the tree into and from the lab's store, also through a proxy that
delays each request."""

import shutil

import delay_proxy
import s3_tools
import tools
from lab import Lab

DELAY_MS = 50


class Round:
    """The scenarios, each once. As in the local part the tools take turns."""

    def __init__(self, work, program, corpus, large, vault, lab, number):
        self.work_, self.program_, self.lab_, self.number_ = work, program, lab, number
        self.corpus_, self.large_, self.vault_ = corpus.path, large.path, vault
        self.runs = {}

    def play(self):
        self.large_objects_()
        self.tree_()
        # The warm-up's purpose, warm caches and proven copies, is reached by now.
        if self.number_:
            self.delayed_()

    def each_(self, scenario, who, operation):
        for tool in tools.rotated(who, self.number_):
            print(f"  {scenario:<10} {tool.name:<14}", end="", flush=True)
            run = operation(tool)
            print(f"{run.seconds:8.2f} s {run.peak_kib / 1024:8.0f} MiB   the store"
                  f"{run.store_seconds:7.2f} s", flush=True)
            self.runs.setdefault(tool.name, {})[scenario] = run.as_dict()

    @staticmethod
    def prove_(who):
        for tool in who:
            if not tools.same_tree(tool.original(), tool.restored()):
                raise SystemExit(f"bench: what {tool.name} brought back from the bucket differs")

    @staticmethod
    def remove_(who):
        for tool in who:
            tools.set_aside(tool.folder, tool.folder.parent)

    def there_and_back_(self, who, there, back, again=None):
        for tool in who:
            tool.fresh()
        self.each_(there, who, lambda tool: tool.backup())
        if again:
            self.each_(again, who, lambda tool: tool.backup())
        self.each_(back, who, lambda tool: tool.restore())
        self.prove_(who)
        self.remove_(who)

    def large_objects_(self):
        rest = (self.large_, self.lab_)
        self.there_and_back_(
            [s3_tools.HoldfastCopy(self.vault_, self.program_, self.work_, *rest, "copy-large"),
             s3_tools.Holdfast(self.program_, self.work_, *rest, "holdfast-large"),
             s3_tools.Aws(self.work_, *rest, "aws-large"),
             s3_tools.Rclone(self.work_, *rest, "rclone-large"),
             s3_tools.Restic(self.work_, *rest, "restic-large")], "upload", "download")

    def pair_(self, suffix, url=None):
        rest = (self.work_, self.corpus_, self.lab_)
        return [s3_tools.Holdfast(self.program_, *rest, "holdfast-" + suffix, url),
                s3_tools.Restic(*rest, "restic-" + suffix, url)]

    def tree_(self):
        self.there_and_back_(self.pair_("tree"), "first", "restore", again="unchanged")

    def delayed_(self):
        for delay in tools.rotated([0, DELAY_MS], self.number_):
            with delay_proxy.DelayProxy(self.lab_.address, delay) as proxy:
                self.there_and_back_(self.pair_(f"{delay}ms", f"http://{proxy.address}"),
                                     f"first_{delay}", f"restore_{delay}")


def play(work, program, corpus, large, rounds):
    """All rounds after a warm-up. Each has a store of its own, as a store frees nothing at once."""
    work = work / "s3"
    data = work / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    try:
        return all_rounds(work, data, program, corpus, large, rounds)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def all_rounds(work, data, program, corpus, large, rounds):
    print("bench: S3, the delay proxy", flush=True)
    results = {"large": {"files": large.files, "bytes": large.bytes}, "delay_ms": DELAY_MS,
               "proxy": delay_proxy.qualities(DELAY_MS), "rounds": {}, "versions": {}}
    vault = s3_tools.local_vault(data, large.path, program)
    for number in range(rounds + 1):
        name = f"round {number} of {rounds}" if number else "warm-up"
        print(f"bench: S3, {name}", flush=True)
        with Lab(work / "lab") as lab:
            one = Round(data, program, corpus, large, vault, lab, number)
            one.play()
            if number:
                tools.append(results["rounds"], one.runs)
            else:
                results["versions"] = versions(data, large, lab)
    return results


def versions(work, large, lab):
    rest = (work, large.path, lab, "none")
    found = {tool.name: tool.version() for tool in (s3_tools.Aws(*rest), s3_tools.Rclone(*rest))}
    return {**found, "store": lab.version()}
