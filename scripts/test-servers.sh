#!/usr/bin/env bash
# test-servers.sh [--not-run]
# Fetches the PostgreSQL and MySQL servers that Debian 12 does not have (tests/servers/package.json) into
# build/servers, by npm, checked against the hashes of the lock file. Does nothing, and needs no
# network, when they are there. Never fails: without them their tests are skipped with the reason,
# and --not-run prints one line that says so.
set -euo pipefail
cd "$(dirname "$0")/.."

manifest=tests/servers
place=build/servers
reason=$place/not-run
tries=3

not_run() {
  mkdir -p $place
  printf '%s\n' "$1" >$reason
  echo "The servers of other versions are not there: $1" >&2
  exit 0
}

if [[ ${1-} == --not-run ]]; then
  [[ ! -e $reason ]] || printf 'NOT RUN: tests on PostgreSQL 13, 14, 16, 17, 18 and MySQL 5.6 (%s)\n' "$(<$reason)"
  exit 0
fi

cmp -s $manifest/package-lock.json $place/package-lock.json && exit 0
rm -rf $place $place.new
[[ $(uname -m) == x86_64 ]] || not_run "there are no such servers for $(uname -m)"
scripts/install-dependencies.sh servers || not_run "npm could not be installed"

mkdir -p $place.new
cp $manifest/package.json $place.new
cp $manifest/package-lock.json $place.new
echo "Fetching PostgreSQL 13, 14, 16, 17 and 18, and MySQL 5.6, for the tests"
said=
for ((try = 1; ; ++try)); do
  # The packages' own scripts only make links, and so does ldconfig.
  said=$(cd $place.new && timeout 300 npm ci --ignore-scripts --no-audit --no-fund \
    --no-update-notifier --fetch-retries=0 --loglevel=error 2>&1) && break
  ((try < tries)) || not_run "the servers could not be fetched: $(sed -n 's/^npm [a-zA-Z]*[!]* *//; 1,4p' <<<"$said" | tr -s '\n' ' ')"
  sleep $((5 * try))
done
chmod -R a+rX $place.new/node_modules/mysql-5.6
for server in $place.new/node_modules/*/native; do
  PATH=$PATH:/sbin:/usr/sbin ldconfig -n "$server/lib"
  # What other users, as which servers run, may read.
  chmod -R a+rX "$server"
  [[ -x $server/bin/postgres ]] || not_run "a package has no bin/postgres"
done
mv $place.new $place
