"""The data that is backed up: real files of this machine, and changes that can be undone."""

import hashlib
import os
import pathlib
import random
import shutil
import subprocess

# Taken in this order, one entry of a tree after the other, until there is enough.
TREES = ["/usr/share", "/usr/lib", "/usr/local", "/opt", "/usr/include", "/usr/bin", "/usr/sbin",
         "/boot", "/var/lib", "/srv", "/home"]


def measure(path):
    """Number and bytes of the regular files below `path`, which need not be a directory."""
    files = size = 0
    for directory, _, names in os.walk(path):
        for name in names:
            full = os.path.join(directory, name)
            if os.path.isfile(full) and not os.path.islink(full):
                files += 1
                size += os.lstat(full).st_size
    if os.path.isfile(path) and not os.path.islink(path):
        return 1, os.lstat(path).st_size
    return files, size


class LargeFiles:
    """Files that neither compress nor deduplicate, in `work`/large; the same bytes each time."""

    def __init__(self, work, sizes):
        self.path = work / "large"
        self.path.mkdir(exist_ok=True)
        for number, size in enumerate(sizes):
            path = self.path / f"file-{number}"
            if not path.exists() or path.stat().st_size != size:
                self.write_(path, random.Random(number), size)
        self.files, self.bytes = measure(self.path)

    @staticmethod
    def write_(path, noise, size):
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(noise.randbytes(1 << 20))


class Corpus:
    """A copy of parts of the machine's trees in `work`/corpus. change(k) always changes the same
    files in the same way; reset() takes all changes back, also those of an interrupted run."""

    def __init__(self, work, min_bytes, min_files):
        self.path = work / "corpus"
        self.originals_ = work / "originals"
        self.done_ = work / "corpus.done"
        if self.done_.exists():
            self.reset()
        else:
            self.build_(min_bytes, min_files)
        self.files, self.bytes = measure(self.path)

    def build_(self, min_bytes, min_files):
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.originals_, ignore_errors=True)
        files = size = 0
        for entry in self.candidates_():
            target = self.path / str(entry).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            # Entries that this user may not read are no loss to a benchmark.
            subprocess.run(["cp", "-ax", entry, target], stderr=subprocess.DEVNULL, check=False)
            more_files, more_bytes = measure(target)
            files += more_files
            size += more_bytes
            if files >= min_files and size >= min_bytes:
                break
        else:
            raise SystemExit(f"bench: this machine has only {files} files with {size} bytes to copy; "
                             f"{min_files} files with {min_bytes} bytes are needed")
        self.done_.touch()

    def candidates_(self):
        own = self.path.resolve().parent
        for tree in TREES:
            root = pathlib.Path(tree)
            if not root.is_dir() or root.is_symlink():
                continue
            for entry in sorted(root.iterdir()):
                if entry != own and entry not in own.parents:
                    yield entry

    def change(self, number):
        """Changes 1 % of the files: appends to some, overwrites a block in others, replaces the
        rest. Returns how many."""
        changed = 0
        for directory, names, files in os.walk(self.path):
            names.sort()
            for name in sorted(files):
                path = pathlib.Path(directory, name)
                relative = path.relative_to(self.path)
                digest = hashlib.sha256(b"%d:" % number + os.fsencode(relative)).digest()
                if int.from_bytes(digest[:4], "big") % 100 == 0 and self.plain_(path):
                    self.save_(relative)
                    self.rewrite_(path, digest)
                    changed += 1
        return changed

    @staticmethod
    def plain_(path):
        return path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1

    def save_(self, relative):
        saved = self.originals_ / relative
        if saved.exists():
            return
        saved.parent.mkdir(parents=True, exist_ok=True)
        # Complete or absent, whenever the run is interrupted.
        part = saved.with_name(saved.name + ".part")
        shutil.copy2(self.path / relative, part)
        os.replace(part, saved)

    @staticmethod
    def rewrite_(path, digest):
        mode = path.stat().st_mode
        path.chmod(mode | 0o200)
        noise = b"".join(hashlib.sha256(digest + bytes([i])).digest() for i in range(128))  # 4 KiB
        size = path.stat().st_size
        with open(path, "r+b") as file:
            if digest[4] < 100:
                file.seek(size)
                file.write(noise[:200])
            elif digest[4] < 200:
                file.seek(size // 2)
                file.write(noise)
            else:
                file.truncate(0)
                file.write(noise * max(1, min(size, 1 << 20) // len(noise)))
        path.chmod(mode)

    def reset(self):
        for directory, _, names in os.walk(self.originals_):
            for name in names:
                saved = pathlib.Path(directory, name)
                path = self.path / saved.relative_to(self.originals_)
                if not saved.name.endswith(".part"):
                    path.chmod(0o600)
                    shutil.copy2(saved, path)  # in place: the directory's own time stays
        shutil.rmtree(self.originals_, ignore_errors=True)
