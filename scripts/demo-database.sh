# Sourced by demo.sh: a PostgreSQL server under load, with a witness outside of it that remembers every
# row that the server acknowledged, and when. Needs root (to be the server's user) and postgresql-15.
# shellcheck shell=bash disable=SC2034,SC2154  # what demo.sh uses, and has set

database="" postgres_bin=/usr/lib/postgresql/15/bin
database_jobs=()

has_database() { [[ -n $database ]]; }
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups -- "$@"; }
database_sql() {
  as_postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$database/socket" -d shop "$@"
}

# Not below DEMO_DIR: the server's user must reach it, wherever this clone lies.
database_start() {
  if ((EUID != 0)) || [[ ! -x $postgres_bin/postgres ]]; then
    echo "(without a database: that needs root and postgresql-15)"
    return 0
  fi
  database=$(mktemp -d /var/tmp/holdfast-demo.XXXXXX)
  chmod 755 "$database"
  mkdir "$database/socket"
  chown postgres "$database" "$database/socket"
  as_postgres "$postgres_bin/initdb" -D "$database/data" --data-checksums -A peer >"$records/initdb"
  cat >>"$database/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$database/socket'
max_slot_wal_keep_size = 1GB
CONF
  database_server "$database/data"
  as_postgres createdb -h "$database/socket" shop
  as_postgres pgbench -h "$database/socket" -i -s 5 -q shop >"$records/pgbench" 2>&1
  database_sql -c "create table witness (n bigint primary key, at timestamptz default clock_timestamp())"
}

# database_server DIRECTORY: starts a server on it and waits for it.
database_server() {
  (cd "$database" && as_postgres "$postgres_bin/pg_ctl" start -w -s -D "$1" -l "$database/log")
}

database_configuration() {
  has_database || return 0
  cat <<YAML
  - name: shop
    class: database
    postgresql: {connection: 'host=$database/socket'}
    assertions:
      - {database: shop, query: 'select count(*) from witness', expect: '> 0'}
      - {database: shop, query: 'select sum(abalance) - (select sum(tbalance) from pgbench_tellers) from pgbench_accounts', expect: '0'}
YAML
}

# The load, and the witness: it asks for one row after the other and writes down each that it was told
# is committed, with the moment of the answer in microseconds.
database_load() {
  has_database || return 0
  : >"$records/acknowledged"
  as_postgres pgbench -h "$database/socket" -n -c 2 -R 300 -T 3600 shop >"$records/load" 2>&1 &
  database_jobs+=($!)
  (
    exec {quiet}<> <(:)
    for ((n = 1;; n++)); do
      echo "insert into witness values ($n) returning n;"
      read -r -t 0.002 -u "$quiet" || true
    done |
      database_sql 2>"$records/witness" |
      while read -r n; do echo "$n ${EPOCHREALTIME/[.,]/}"; done >>"$records/acknowledged"
  ) &
  database_jobs+=($!)
}

# The service that keeps the log in both sites.
database_stream() {
  has_database || return 0
  printf '%s$ holdfast stream shop --also second-site &%s\n' "$green" "$plain"
  "$program" stream shop --also second-site >"$records/stream" 2>&1 &
  stream_pid=$!
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    grep -qs receiving "$records/stream" && return 0
    kill -0 "$stream_pid" 2>/dev/null || break
    read -r -t 0.1 <> <(:) || true
  done
  fail "the stream did not start: $(cat "$records/stream")"
}

database_end_jobs() {
  local job
  for job in "${database_jobs[@]}"; do
    pkill -P "$job" || true
    kill "$job" || true
    wait "$job" || true
  done 2>/dev/null
  database_jobs=()
}

# The machine is gone in the middle of its work: the server first, which nobody stops properly.
database_destroy() {
  has_database || return 0
  kill -9 "$(head -n 1 "$database/data/postmaster.pid")"
  {
    kill -9 "$stream_pid"
    database_end_jobs
    wait "$stream_pid" || true
  } 2>/dev/null
  rm -rf "$database/data"
}

# After the restore: is every row there that had been acknowledged, and if not, since when?
database_measure() {
  has_database || return 0
  acknowledged=$(tail -n 1 "$records/acknowledged" | cut -d ' ' -f 1)
  came_back=$(database_sql -c "select coalesce(max(n), 0) from witness")
  local holes last_us back_us balance
  holes=$(database_sql -c "select coalesce(max(n), 0) - count(*) from witness")
  ((holes == 0)) || fail "$holes rows of the witness are missing in the middle"
  ((came_back >= 1)) || fail "no row of the witness came back"
  # It runs, and it is sound: every index against its table, and the books balance.
  as_postgres "$postgres_bin/pg_amcheck" -h "$database/socket" -d shop --install-missing --heapallindexed \
    >"$records/amcheck" 2>&1 || fail "pg_amcheck is not content: $(head -n 5 "$records/amcheck")"
  balance=$(database_sql -c "select (select sum(abalance) from pgbench_accounts) - (select sum(tbalance) from pgbench_tellers)")
  [[ $balance == 0 ]] || fail "accounts and tellers differ by $balance"
  last_us=$(tail -n 1 "$records/acknowledged" | cut -d ' ' -f 2)
  back_us=$(awk -v n="$came_back" '$1 == n {print $2}' "$records/acknowledged")
  # A row that was committed and whose answer did not arrive any more has no line.
  database_lost_ms=$(((last_us - ${back_us:-$last_us}) / 1000))
}

database_clean() {
  has_database || return 0
  [[ -z ${stream_pid-} ]] || kill "$stream_pid" 2>/dev/null || true
  database_end_jobs
  [[ ! -e $database/data/postmaster.pid ]] ||
    as_postgres "$postgres_bin/pg_ctl" stop -m immediate -s -D "$database/data" || true
  rm -rf "$database"
}
