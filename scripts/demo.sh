#!/usr/bin/env bash
# demo.sh [PROGRAM]: a disaster in a minute. Everything happens below DEMO_DIR (default: build/demo),
# which is emptied first; the machine's own /usr/share and /etc are only read, to be copied.
#
# With the lab's packages (make lab installs them) and as root, the vault and its copy lie in two S3
# regions, and the first region dies in the disaster; else, or with DEMO_DIRECTORIES=1, in two
# directories.
#
# With postgresql-15 and as root, a PostgreSQL server under load is killed with the first site, and comes
# back to the last second.
#
# Only the logs of the recovery go to where that user has them (root: /var/lib/holdfast).
#
# What was lost and what came back are compared by find, sha256sum and getfattr, not by Holdfast.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

program=$(realpath "${1:-build/release/bin/holdfast}")
mkdir -p "${DEMO_DIR:=build/demo}"
work=$(realpath "$DEMO_DIR")
production=$work/production site_a=$work/site-a site_b=$work/site-b safe=$work/safe
records=$work/records
lab=$work/lab regions=$PWD/lab/regions.sh

# ---------------------------------------------------------------------------------------- output

bold="" dim="" red="" green="" plain=""
if [[ -t 1 && ${TERM-dumb} != dumb && -z ${NO_COLOR-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi

step=0
heading() {
  step=$((step + 1))
  printf '\n%s%s. %s%s\n' "$bold" "$step" "$*" "$plain"
}
note() { printf '   %s%s%s\n' "$dim" "$*" "$plain"; }
fail() {
  printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}
# What a recovery in place leaves while it is not finished; it would refuse the next demo's.
unfinished=(/.holdfast-restore.json /var/lib/holdfast/.holdfast-recover.json)
ours=()
finish() {
  local code=$?
  database_clean
  ((code == 0)) || rm -f "${ours[@]}"
  ((code == 0)) || echo "demo: not finished; what was done so far is in $work" >&2
  ((code == 0)) || [[ ! -e $lab ]] || "$regions" down "$lab"
}
trap finish EXIT
# Without these it would end with the code of the last command, which may be 0.
trap 'exit 130' INT
trap 'exit 143' TERM

count() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }
size() {
  awk -v n="$1" 'BEGIN {
    split("B KiB MiB GiB TiB", unit); i = 1
    while (n >= 1024 && i < 5) { n /= 1024; i++ }
    printf(i == 1 ? "%d %s" : "%.1f %s", n, unit[i]) }'
}
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
seconds() { awk -v ms="$1" 'BEGIN { printf "%.1f s", ms / 1000 }'; }
rate() { awk -v b="$1" -v ms="$2" 'BEGIN { printf "%.0f MiB/s", b / 1048576 / ((ms > 0 ? ms : 1) / 1000) }'; }

# Runs Holdfast as the words on the screen say; `took` is how long that was, in milliseconds. Exit
# code 3 means finished with warnings, which it has printed.
holdfast() {
  printf '%s$ holdfast' "$green"
  printf ' %s' "$@"
  printf '%s\n' "$plain"
  local start code=0
  start=$(now_ms)
  "${environment[@]}" "$program" "$@" || code=$?
  took=$(($(now_ms) - start))
  ((code == 0 || code == 3)) || fail "holdfast $* ended with exit code $code"
}
environment=(env)

# shellcheck source=scripts/demo-database.sh
. scripts/demo-database.sh

# ------------------------------------------------------------------------------------ measurement

tree_bytes() { find "$@" -type f -printf '%s\n' | awk '{n += $1} END {printf "%.0f", n}'; }
tree_files() { find "$@" -type f -printf . | wc -c; }

# Everything that can be known about a tree from outside, in an order that does not depend on the
# file system: type, mode, owner, links, time in ns and target of each entry; the SHA-256 of each
# file; every extended attribute, which includes the ACLs.
record() {
  (
    cd "$1"
    export LC_ALL=C
    find . -mindepth 1 \( -type f -printf '%P\tf %m %U:%G %s B %n links %T@\0' \) \
      -o \( -type l -printf '%P\tl %U:%G %T@ -> %l\0' \) \
      -o -printf '%P\t%y %m %U:%G %T@\0' | sort -z | tr '\n\0' '?\n'
    find . -type f -print0 | sort -z | xargs -0 -r sha256sum
    find . -print0 | sort -z | xargs -0 -r getfattr -h -d -m - -e hex --absolute-names
  ) >"$2"
}

# ------------------------------------------------------------------------------------------ scenes

prepare() {
  local tool
  for tool in getfattr setfacl; do
    command -v "$tool" >/dev/null || fail "$tool is missing; make demo installs it"
  done
  [[ -e $work/records || -z $(ls -A "$work") ]] ||
    fail "$work is not empty and not from an earlier demo; set DEMO_DIR to another folder"
  [[ ! -e $lab ]] || "$regions" down "$lab"
  chmod -R u+rwX "$work"
  rm -rf "${work:?}"/*
  mkdir -p "$production" "$site_a" "$safe/home" "$records"

  local need free
  # Production, what is recovered, two vaults, and some air.
  need=$(($({ du -sxk /usr/share /etc 2>/dev/null || true; } | awk '{n += $1} END {print n}') * 4))
  free=$(df --output=avail -k "$work" | tail -n 1)
  ((free > need)) ||
    fail "$work needs $(size $((need * 1024))) and has $(size $((free * 1024))); set DEMO_DIR"
}

copy_production() {
  # As an ordinary user some of /etc cannot be read; what can be read is what there is to protect.
  cp -ax /usr/share "$production/usr-share" 2>"$records/unreadable" || true
  cp -ax /etc "$production/etc" 2>>"$records/unreadable" || true
  ((EUID == 0)) || chmod -R u+rwX "$production"

  # What careless tools lose.
  local odd=$production/usr-share/odd
  mkdir "$odd"
  printf 'start' >"$odd/sparse"
  truncate -s 64M "$odd/sparse"
  printf 'end' >>"$odd/sparse"
  printf 'one file, two names\n' >"$odd/hard-link-a"
  ln "$odd/hard-link-a" "$odd/hard-link-b"
  printf 'not UTF-8\n' >"$odd/"$'latin1-\xe9\xff'
  mkfifo "$odd/fifo"
  printf 'labelled\n' >"$odd/attributes"
  setfattr -n user.origin -v demo "$odd/attributes" 2>/dev/null || true
  setfacl -m u:65534:r "$odd/attributes" 2>/dev/null || true
}

# One file in fifty is appended to, deleted, joined by a new one, renamed, or gets another mode.
change_production() {
  local paths file index
  mapfile -d '' -t paths < <(find "$production/usr-share" -type f -print0 | LC_ALL=C sort -z)
  changed=0
  for ((index = 0; index < ${#paths[@]}; index += 50)); do
    file=${paths[index]}
    case $((index / 50 % 5)) in
      0) printf 'changed by the demo\n' >>"$file" ;;
      1) rm "$file" ;;
      2) printf 'added by the demo: %s\n' "$index" >"$file.added" ;;
      3) mv "$file" "$file.renamed" ;;
      4) chmod u+x,o-rwx "$file" ;;
    esac
    changed=$((changed + 1))
  done
  printf 'changed_by = demo\n' >>"$production/etc/hosts.demo"
}

# Where the vault and its copy lie: `first`, `second` and how the second is reached.
choose_sites() {
  first=$site_a/vault second=$site_b
  second_environment=()
  two_regions=0
  [[ -z ${DEMO_DIRECTORIES-} ]] || return 0
  if ((EUID != 0)) || ! command -v radosgw >/dev/null || ! command -v ceph-osd >/dev/null; then
    echo "(the two sites are directories: two S3 regions need root and the packages of \`make lab\`)"
    return
  fi
  two_regions=1
  EAST_PORT=0 WEST_PORT=0 MON_PORT=0 "$regions" up "$lab" >"$records/lab"
  # shellcheck disable=SC1091  # made a moment ago
  . "$lab/lab.env"
  first=s3://production/vault second=s3://second-region/vault
  second_environment=("AWS_ENDPOINT_URL=$WEST_URL" "AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID"
    "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY")
}

write_configuration() {
  cat >"$site_a/holdfast.yaml" <<YAML
vault: $first
key_file: $safe/key
state_dir: $site_a/state
cache_dir: $site_a/cache
copies:
  - {name: second-site, url: $second}
sources:
  - name: usr-share
    class: files
    paths: [$production/usr-share]
  - name: etc
    class: config
    etc: false
    applications: [$production/etc]
YAML
  database_configuration >>"$site_a/holdfast.yaml"
  ((two_regions)) || return 0
  cat >>"$site_a/holdfast.yaml" <<YAML
stores:
  - {url: "s3://production", endpoint: "$EAST_URL"}
  - {url: "s3://second-region", endpoint: "$WEST_URL"}
YAML
}

# What a vault takes: its objects are the same in a directory and in a bucket.
vault_bytes() {
  local bytes
  bytes=$("$program" --json --vault "$1" stats | sed -n 's/^ *"stored_bytes": \([0-9]*\),*$/\1/p')
  [[ -n $bytes ]] || fail "holdfast stats does not say what $1 takes"
  echo "$bytes"
}

destroy() {
  rm -rf "$production" "$site_a"
  ((!two_regions)) || "$regions" stop-zone "$lab" east
  # From here on nothing is left but the program, the key and the second site: no configuration, no
  # cache, no environment but what it takes to reach the second region.
  environment=(env -i "PATH=$PATH" "HOME=$safe/home" "TERM=${TERM-dumb}" "${second_environment[@]}")
}

compare() {
  record "$production" "$records/after"
  if ! diff -a "$records/before" "$records/after" >"$records/differences"; then
    head -n 20 "$records/differences" >&2
    fail "what came back differs from what was lost; all differences: $records/differences"
  fi
  # A sparse file that came back full of zeros is equal, and not what was lost.
  local blocks
  blocks=$(stat -c %b "$production/usr-share/odd/sparse")
  ((blocks <= 2048)) || fail "the sparse file came back with $blocks blocks"
}

# -------------------------------------------------------------------------------------------- play

prepare
printf '%sA disaster in a minute%s, in %s\n' "$bold" "$plain" "${work#"$PWD"/}"

heading "Production: a copy of this machine's /usr/share and /etc"
copy_production
files=$(tree_files "$production")
bytes=$(tree_bytes "$production")
note "$(count "$files") files, $(size "$bytes"); with a sparse file, hard links, a fifo, an ACL, odd names"
unreadable=$(wc -l <"$records/unreadable")
((unreadable == 0)) || note "$unreadable files that only root may read are left out"

database_start
! has_database || note "and a PostgreSQL server with a table of witnesses, under load from here on"
choose_sites
if ((two_regions)); then
  heading "A vault in the first of two S3 regions, and the first backup"
else
  heading "A vault in a directory, and the first backup"
fi
write_configuration
cd "$site_a"
holdfast init
database_load
holdfast backup all
first_ms=$took first_bytes=$bytes first_files=$files
first_vault=$(vault_bytes "$first")

heading "A day's work, and the next backup"
change_production
note "$(count "$changed") files appended to, deleted, added, renamed or given another mode"
backup_ms=$(now_ms)
holdfast backup all
second_ms=$took
files=$(tree_files "$production")
bytes=$(tree_bytes "$production")
second_vault=$(vault_bytes "$first")
holdfast list

heading "A copy at the second site"
holdfast copy --to second-site
copy_ms=$took
copy_bytes=$(vault_bytes "$second")
((!two_regions)) || holdfast region status
if has_database; then
  heading "The log of the database, as it is written"
  database_stream
  holdfast backup database
  holdfast copy --to second-site
  holdfast validate restore latest:shop
fi

heading "The disaster"
record "$production" "$records/before"
cd "$safe"
disaster_ms=$(now_ms)
database_destroy
destroy
if ((two_regions)); then
  note "gone: production, the first region, the cache, the logs, the configuration"
  note "left: the program, the key file, the second region and its access key"
else
  note "gone: production, the vault, its cache, its logs, the configuration"
  note "left: the program, the key file, the second site"
fi

heading "Recovery"
((two_regions)) || second=../site-b
start_ms=$(now_ms)
holdfast recover --from "$second" --key-file key
for mark in "${unfinished[@]}"; do [[ -e $mark ]] || ours+=("$mark"); done
holdfast recover --from "$second" --key-file key --in-place
recovery_ms=$(($(now_ms) - start_ms))
if has_database; then
  database_server "$database/data"
  database_ms=$(($(now_ms) - start_ms))
fi

heading "The proof"
compare
entries=$(find "$production" -mindepth 1 -printf . | wc -c)
note "find, sha256sum and getfattr see no difference in $(count "$entries") entries: names, types,"
note "bytes, modes, owners, links, times to the nanosecond, extended attributes, ACLs"
database_measure
! has_database || note "the witness had $(count "$acknowledged") rows acknowledged; back came $(count "$came_back")"
! has_database || note "pg_amcheck finds nothing in the database, and accounts and tellers balance"

row() { printf '   %-22s %10s %11s %9s %13s\n' "$@"; }
printf '\n%sMeasured%s\n' "$bold" "$plain"
row "" files bytes time speed
row "first backup" "$(count "$first_files")" "$(size "$first_bytes")" "$(seconds "$first_ms")" \
  "$(rate "$first_bytes" "$first_ms")"
row "second backup" "$(count "$files")" "$(size "$bytes")" "$(seconds "$second_ms")" \
  "$(rate "$bytes" "$second_ms")"
row "copy to second site" "" "$(size "$copy_bytes")" "$(seconds "$copy_ms")" \
  "$(rate "$copy_bytes" "$copy_ms")"
row "recovery" "$(count "$files")" "$(size "$bytes")" "$(seconds "$recovery_ms")" \
  "$(rate "$bytes" "$recovery_ms")"
printf '   %-22s %s\n' \
  "stored, deduplicated" "$(size "$first_vault"), and $(size $((second_vault - first_vault))) for the second backup" \
  "recovery point" "$(seconds $((disaster_ms - backup_ms))) before the disaster, when the last backup began" \
  "recovery time" "$(seconds "$recovery_ms"), from nothing to the last byte"
! has_database || printf '   %-22s %s\n' \
  "database: lost" "the last $database_lost_ms ms of commits, seen from outside" \
  "database: recovery" "$(seconds "$database_ms"), until the server answered"

if ((two_regions)); then
  cat <<TRY

${bold}To try next${plain} (the second region still runs; away with it: lab/regions.sh down $lab)
   . $lab/lab.env; export AWS_ENDPOINT_URL=\$WEST_URL
   alias hf='$program --vault $second --key-file $safe/key'
   aws --endpoint-url \$WEST_URL s3 ls $second/files/ --recursive
TRY
else
  cat <<TRY

${bold}To try next${plain} (the second site and the key are still there)
   alias hf='$program --vault $site_b --key-file $safe/key'
TRY
fi
cat <<TRY
   hf validate all --read-data
   hf find hosts
   hf cat latest:etc $production/etc/hosts
   hf help
TRY
