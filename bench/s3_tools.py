"""Holdfast and its peers with a bucket in place of a repository on the disk."""

import shutil
import subprocess

import tools


class InBucket:
    """Mixed into a Tool: bucket, keys, and the store's share of the work."""

    command = None  # another program than the first of its name in the PATH

    def __init__(self, work, data, lab, folder, url=None):
        super().__init__(work, data, self.command, folder)
        self.lab = lab
        self.url = url or lab.url
        self.bucket = folder

    def environment(self):
        return {**super().environment(), **self.lab.environment()}

    def measure(self, commands, cwd=None):
        self.lab.settle()
        before = self.lab.cpu_seconds()
        run = super().measure(commands, cwd)
        run.store_seconds = self.lab.cpu_seconds() - before
        return run

    def original(self):
        """What restored() has to be equal to."""
        return self.corpus


class Aws(InBucket, tools.Tool):
    """aws s3 cp: plain files, neither encrypted nor deduplicated."""

    name = "aws"
    command = shutil.which("aws", path="/usr/bin")  # Debian's, which make bench installs
    version_arguments = ["--version"]

    def s3_(self, *words):
        return [self.program, "--endpoint-url", self.url, "s3", *words]

    def init(self):
        return self.s3_("mb", f"s3://{self.bucket}")

    def create(self):
        return self.s3_("cp", "--recursive", "--only-show-errors", str(self.corpus),
                        f"s3://{self.bucket}/")

    def extract(self):
        return self.s3_("cp", "--recursive", "--only-show-errors", f"s3://{self.bucket}/",
                        str(self.target))

    def restored(self):
        return self.target


class Rclone(InBucket, tools.Tool):
    """rclone copy: plain files, as above."""

    name = "rclone"

    def environment(self):
        return {**super().environment(), "RCLONE_CONFIG_LAB_TYPE": "s3",
                "RCLONE_CONFIG_LAB_PROVIDER": "Ceph", "RCLONE_CONFIG_LAB_ENV_AUTH": "true",
                "RCLONE_CONFIG_LAB_ENDPOINT": self.url}

    def init(self):
        return [self.program, "mkdir", f"lab:{self.bucket}"]

    def create(self):
        return [self.program, "copy", str(self.corpus), f"lab:{self.bucket}"]

    def extract(self):
        return [self.program, "copy", f"lab:{self.bucket}", str(self.target)]

    def restored(self):
        return self.target


class Restic(InBucket, tools.Restic):
    def environment(self):
        return {**super().environment(), "RESTIC_REPOSITORY": f"s3:{self.url}/{self.bucket}"}


class Holdfast(InBucket, tools.Holdfast):
    def __init__(self, program, *arguments):
        self.command = program
        super().__init__(*arguments)

    def make_bucket_(self):
        words = ["--endpoint-url", self.url, "s3", "mb", f"s3://{self.bucket}"]
        subprocess.run([Aws.command or Aws.name, *words], env=self.environment(),
                       stdout=subprocess.DEVNULL, check=True)

    def settings(self, vault=None):
        return (super().settings(vault or f"s3://{self.bucket}") +
                f"stores:\n  - {{url: 's3://', endpoint: {self.url}}}\n")

    def prepare(self):
        self.make_bucket_()
        super().prepare()


class HoldfastCopy(Holdfast):
    """holdfast copy of a vault in a directory into a bucket, and back into another directory."""

    name = "holdfast copy"

    def __init__(self, vault, *arguments):
        super().__init__(*arguments)
        self.vault = vault

    def settings(self, vault=None):
        return super().settings(str(self.vault))

    def init(self):
        return self.command_("version")  # the copy makes what it needs

    def create(self):
        return self.command_("copy", "--to", f"s3://{self.bucket}")

    def extract(self):
        return self.command_("--vault", f"s3://{self.bucket}", "copy", "--to", str(self.target))

    def restored(self):
        return self.target

    def original(self):
        return self.vault


def local_vault(work, data, program):
    """A vault with a backup of `data` in a directory below `work`."""
    tool = tools.Holdfast(work, data, program, "local-vault")
    tool.fresh()
    tool.backup()
    return tool.repository
