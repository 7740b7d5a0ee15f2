"""A throw-away MariaDB server that is measured. Needs root, to be the server's user."""

import shutil
import subprocess
import time

from postgres_server import run

ROWS_AT_ONCE = 50_000
ROW_BYTES = 1000


class Server:
    """Runs as the user mysql on a private socket, from its making on."""

    def __init__(self, folder):
        self.folder, self.data, self.socket = folder, folder / "data", folder / "socket"
        folder.chmod(0o755)
        (folder / "tmp").mkdir()
        for path in (folder, folder / "tmp"):
            shutil.chown(path, "mysql", "mysql")
        (folder / "server.cnf").write_text(
            f"[mariadbd]\nuser=mysql\ndatadir={self.data}\nsocket={self.socket}\ntmpdir={folder}/tmp\n"
            f"pid-file={folder}/pid\nlog-error={folder}/log\nskip-networking\nserver-id=7\n"
            "log-bin=binlog\nbinlog-format=ROW\nsync-binlog=1\ninnodb-flush-log-at-trx-commit=1\n"
            "innodb-buffer-pool-size=512M\ninnodb-log-file-size=512M\n")
        (folder / "client.cnf").write_text(f"[client]\nuser=root\nsocket={self.socket}\n")
        run("mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--user=mysql", f"--tmpdir={folder}/tmp",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        self.process = subprocess.Popen(["/usr/sbin/mariadbd", f"--defaults-file={folder}/server.cnf"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            if self.socket.exists() or self.process.poll() is not None:
                break
            time.sleep(0.1)

    def tool(self, program, *words):
        return [program, f"--defaults-file={self.folder}/client.cnf", *words]

    def sql(self, text):
        return run(*self.tool("mariadb", "-BN", "-e", text)).strip()

    def fill(self, megabytes):
        """Rows of a kilobyte, half of which compresses; outside of the binary log."""
        self.sql("create database bench; create table bench.rows_ (id int primary key auto_increment, "
                 "a varbinary(500), b varchar(500), n int not null default 0)")
        for _ in range(-(-megabytes * 1_000_000 // (ROWS_AT_ONCE * ROW_BYTES))):
            self.sql("use bench; set sql_log_bin = 0, unique_checks = 0; insert into bench.rows_ (a, b) "
                     "select random_bytes(500), repeat(md5(rand()), 15) "
                     f"from seq_1_to_{ROWS_AT_ONCE}")
        self.bytes = sum(p.stat().st_size for p in self.data.rglob("*") if p.is_file())

    def load(self, seconds):
        """Transactions a second that four sessions get through, each an update of one row by chance."""
        rows = self.sql("select max(id) from bench.rows_")
        body = (f"begin not atomic declare stop_at datetime(3) default now(3) + interval {seconds} second; "
                "declare done, chosen int default 0; set @@autocommit = 1; while sysdate(3) < stop_at do "
                # Chosen once: a rand() in the condition would be asked for every row.
                f"set chosen = 1 + floor(rand() * {rows}); "
                "update bench.rows_ set n = n + 1 where id = chosen; "
                "set done = done + 1; end while; select done; end")
        sessions = [subprocess.Popen(self.tool("mariadb", "-BN", "--delimiter=//", "-e", body + "//"),
                                     stdout=subprocess.PIPE, text=True) for _ in range(4)]
        return sum(int(session.communicate()[0]) for session in sessions) / seconds

    def position(self):
        """(file, offset) of the binary log's end."""
        name, offset = self.sql("show master status").split()[:2]
        return name, int(offset)

    def stop(self):
        self.process.kill()
        self.process.wait()
