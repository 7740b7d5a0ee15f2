#!/usr/bin/env bash
# Two S3 regions on this machine, "east" and "west": a one-node Ceph cluster with two RADOS gateways
# that replicate to each other. Everything is below DIR and on 127.0.0.1; see lab/README.md.
set -euo pipefail
export LC_ALL=C.UTF-8
unset CEPH_CONF CEPH_ARGS CEPH_KEYRING

usage() {
  cat <<'TEXT'
lab/regions.sh COMMAND DIR
  up DIR                    start both regions; with data from before, go on with it
  down DIR                  stop them and remove DIR
  status DIR                what runs, and how far replication is
  stop-zone DIR east|west   stop one region; its data stays
  kill-zone DIR east|west   the same by SIGKILL, as it is
  start-zone DIR east|west  start it again
  wait-sync DIR             wait until each region has what the other one has

Environment of the first `up`:
  EAST_PORT WEST_PORT MON_PORT EAST_TLS_PORT
                            ports; default 7480, 7481, 6789, 7482 or, when one is taken, any; 0: any
  LAB_TLS=1                     https with certificates of a CA made for the lab
  LAB_DAY_SECONDS=N             a day of lifecycle rules lasts N seconds
Environment of `wait-sync`:
  LAB_SYNC_SECONDS              give up after so many (300)
TEXT
}

fail() {
  printf 'lab: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '     %s\n' "$@" >&2
  exit 1
}

# --------------------------------------------------------------------------------------- commands

remove() {
  local daemon
  for daemon in client.rgw.east client.rgw.west osd.0 mgr.x mon.a; do stop "$daemon" 0; done
  rm -rf "$dir"
}

greet() {
  cat <<TEXT
Two regions run, and what is written to one of them arrives in the other:
  east  $(url_of east)
  west  $(url_of west)

Next:
  . $dir/lab.env      # keys, the east as the endpoint, and holdfast in the PATH
  export HOLDFAST_VAULT=s3://vault HOLDFAST_KEY_FILE=$dir/holdfast.key
  aws --endpoint-url \$EAST_URL s3 mb s3://vault
  holdfast store check s3://vault
  holdfast init
  holdfast backup files /usr/share/doc --name doc
  lab/regions.sh wait-sync \$LAB_DIR
  aws --endpoint-url \$WEST_URL s3 ls --recursive s3://vault
  lab/regions.sh stop-zone \$LAB_DIR east
  AWS_ENDPOINT_URL=\$WEST_URL holdfast list
  AWS_ENDPOINT_URL=\$WEST_URL holdfast restore latest:doc --target /tmp/doc-from-the-west
Away with it: lab/regions.sh down $dir
TEXT
}

first_start() {
  load_settings
  create_cluster
  create_regions
  start_zone east
  start_zone west
  wait_sync
  write_environment
}

go_on() {
  local daemon
  load_settings
  for daemon in mon.a osd.0 mgr.x; do start "$daemon"; done
  start_zone east
  start_zone west
}

up() {
  check_programs
  if [[ -d $dir && ! -e $marker && -n $(ls -A "$dir") ]]; then
    fail "$dir has files that are not of a lab" "choose another directory"
  fi
  if [[ -e $marker && ! -e $dir/lab.env ]]; then
    echo "lab: removing one that was not started to its end"
    remove
  fi
  if [[ ! -e $marker ]]; then
    choose_settings
    # One of its hundred steps may fail where others want the machine, too.
    "$0" first-start "$dir" || {
      echo "lab: once more, from the beginning" >&2
      remove
      choose_settings
      "$0" first-start "$dir"
    }
  fi
  go_on
  greet
}

down() {
  [[ -e $dir ]] || {
    echo "lab: nothing is in $dir"
    return
  }
  [[ -e $marker ]] || fail "$dir is not a lab, so it is left as it is"
  remove
}

sync_status() { timeout 60 radosgw-admin --conf "$conf" sync status --rgw-zone="$1" 2>&1; }

caught_up() {
  local status
  status=$(sync_status "$1") || return 1
  [[ $status == *"data is caught up with source"* ]] || return 1
  [[ $1 == east || $status == *"metadata is caught up with master"* ]] || return 1
  ! grep -qE 'behind|recovering|failed|full sync: [1-9]' <<<"$status"
}

# A change is in the log that is compared here within the log window of 2 s, later on a busy machine,
# so both regions have to say it three times, with more than that between. What failed while a
# region was away is tried again 60 s later, then 120.
wait_sync() {
  local limit=${LAB_SYNC_SECONDS:-300} began=$SECONDS agreed=0 rounds zone
  for ((rounds = 1; agreed < 3; ++rounds)); do
    agreed=$((agreed + 1))
    for zone in east west; do
      caught_up "$zone" && continue
      agreed=0
      ((SECONDS - began < limit || rounds * 3 < limit)) || fail "$zone is behind after $limit s:" \
        "$(sync_status "$zone")"
    done
    sleep 2.2
  done
}

status() {
  local daemon pid zone all=0
  for daemon in "${daemons[@]}"; do
    if pid=$(pid_of "$daemon"); then
      printf '%-16s pid %-8s %4d MiB\n' "$daemon" "$pid" \
        $(($(awk '/^VmRSS/ {print $2}' "/proc/$pid/status") / 1024))
    else
      printf '%-16s stopped\n' "$daemon"
      all=1
    fi
  done
  for zone in east west; do
    answers "$zone" || continue
    printf '%-16s %s, ' "$zone" "$(url_of "$zone")"
    if caught_up "$zone"; then echo "has all"; else echo "is behind, or the other one is away"; fi
  done
  return $all
}

# ------------------------------------------------------------------------------------------- main

(($# >= 2)) || {
  usage >&2
  exit 2
}
# shellcheck source=lab/cluster.sh
source "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
command=$1
dir=$(realpath -m "$2")
conf=$dir/ceph.conf
marker=$dir/.holdfast-lab
[[ $dir != *[[:space:]\'\"\;\#]* ]] || fail "Ceph cannot work in a path with spaces or quotes: $dir"

needs_zone() {
  [[ ${1-} == east || ${1-} == west ]] || fail "name a zone: east or west"
}

case $command in
  up) up ;;
  first-start) first_start ;;  # by up
  down) down ;;
  status | wait-sync)
    load_settings
    "${command/-/_}"
    ;;
  stop-zone)
    needs_zone "${3-}"
    load_settings
    stop "client.rgw.$3" 50
    ;;
  kill-zone)
    needs_zone "${3-}"
    load_settings
    kill -9 "$(pid_of "client.rgw.$3")"
    stop "client.rgw.$3" 0
    ;;
  start-zone)
    needs_zone "${3-}"
    load_settings
    start_zone "$3"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
