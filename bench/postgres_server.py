"""A throw-away PostgreSQL cluster that is measured. Needs root, to be the server's user."""

import pathlib
import shutil
import subprocess

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", "--"]
SEGMENTS = 32


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """Filled by pgbench. Runs from fill() on."""

    def __init__(self, folder):
        self.folder, self.data, self.socket = folder, folder / "data", folder / "socket"
        self.socket.mkdir()
        for path in (folder, self.socket):
            shutil.chown(path, "postgres", "postgres")
        folder.chmod(0o755)
        run(*AS_POSTGRES, BIN / "initdb", "-D", self.data, "--data-checksums", "-A", "peer")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.socket}'\n"
                       "shared_buffers = 512MB\nmax_wal_size = 4GB\n"
                       "archive_mode = on\narchive_command = '/bin/true'\nwal_keep_size = 3GB\n")

    def fill(self, scale):
        self.control("start", "-l", self.folder / "log")
        run(*AS_POSTGRES, "createdb", "-h", self.socket, "bench")
        run(*AS_POSTGRES, "pgbench", "-h", self.socket, "-i", "-s", scale, "-q", "bench")
        self.sql("checkpoint")
        self.bytes = int(self.sql("select pg_database_size('bench')"))

    def control(self, *words):
        run(*AS_POSTGRES, BIN / "pg_ctl", *words, "-w", "-s", "-D", self.data, cwd=self.folder)

    def psql(self, *words):
        return [*AS_POSTGRES, "psql", "-XqAt", "-h", str(self.socket), "-d", "bench", *words]

    def sql(self, text):
        return run(*self.psql("-c", text)).strip()

    def pgbench(self, seconds, *words):
        return [*AS_POSTGRES, "pgbench", "-h", str(self.socket), "-T", str(seconds), "-c", "4", "-n",
                *words, "bench"]

    def segments(self):
        """Names of WAL segments with real content, ready to be archived."""
        run(*self.pgbench(20))
        self.sql("select pg_switch_wal()")
        wal = sorted(p for p in (self.data / "pg_wal").iterdir() if len(p.name) == 24)
        # The last one is being written, the first ones will go.
        return [p.name for p in wal[-SEGMENTS - 1:-1]]
