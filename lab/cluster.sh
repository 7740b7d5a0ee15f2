# shellcheck shell=bash
# The Ceph cluster below $dir: its processes, its settings, its first start. Sourced by regions.sh,
# which sets dir, conf and marker and has fail().

# ------------------------------------------------------------------------------------- processes

programs=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release/bin
daemons=(mon.a mgr.x osd.0 client.rgw.east client.rgw.west)

# The pid of a daemon of this lab, if it runs. A pid file can be older than the last reboot, so the
# process must also have been started with our configuration.
pid_of() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$conf" || return 1
  echo "$pid"
}

# stop DAEMON TRIES: asks, and after TRIES x 0.1 s insists.
stop() {
  local pid left=$2
  pid=$(pid_of "$1") || return 0
  kill "$pid" 2>/dev/null || true
  while pid_of "$1" >/dev/null; do
    ((left-- > 0)) || kill -9 "$pid" 2>/dev/null || true
    sleep 0.1
  done
  rm -f "$dir/run/$1.pid"
}

# What a step printed goes to the log ...
attempt() {
  printf '$ %s\n' "$*" >>"$dir/log/setup.log"
  timeout 120 "$@" >>"$dir/log/setup.log" 2>&1 </dev/null
}

# ... and its end to the screen when it failed.
logged() {
  attempt "$@" && return
  tail -n 12 "$dir/log/setup.log" >&2
  fail "this step failed: $1" "all output: $dir/log/setup.log"
}

# On a busy machine a daemon may give up because the monitor has not told it enough yet.
start() {
  pid_of "$1" >/dev/null && return
  local -a words
  case $1 in
    client.rgw.*) words=(radosgw --conf "$conf" -n "$1") ;;
    *) words=("ceph-${1%.*}" --conf "$conf" -i "${1#*.}") ;;
  esac
  attempt "${words[@]}" || attempt "${words[@]}" || logged "${words[@]}"
}

url_of() {
  case $1 in
    east) echo "$scheme://127.0.0.1:$east_port" ;;
    west) echo "$scheme://127.0.0.1:$west_port" ;;
  esac
}

answers() { curl -sko /dev/null --noproxy '*' --max-time 5 "$(url_of "$1")"; }

# Here and below tries are counted, not seconds: a machine that stood still has not waited.
wait_for_zone() {
  local try absent=0
  for ((try = 0; try < 300; ++try)); do
    answers "$1" && return
    if pid_of "client.rgw.$1" >/dev/null; then absent=0; else absent=$((absent + 1)); fi
    ((absent < 50)) || fail "the gateway of $1 has ended" "its log: $dir/log/client.rgw.$1.log"
    sleep 0.2
  done
  fail "no answer from $(url_of "$1") after $try tries" "its log: $dir/log/client.rgw.$1.log"
}

start_zone() {
  answers "$1" && ! pid_of "client.rgw.$1" >/dev/null &&
    fail "somebody else answers at $(url_of "$1")" "stop that, or start anew: make lab-down lab"
  start "client.rgw.$1"
  wait_for_zone "$1"
}

# Before its first election the monitor refuses every command.
wait_for_mon() {
  local try
  for ((try = 0; try < 150; ++try)); do
    timeout 10 ceph --conf "$conf" --connect-timeout 5 -s &>/dev/null && return
    sleep 0.2
  done
  fail "the monitor does not answer" "its log: $dir/log/mon.a.log"
}

admin() { logged radosgw-admin --conf "$conf" "$@"; }

# -------------------------------------------------------------------------------------- settings

check_programs() {
  local program missing=()
  for program in ceph ceph-mon ceph-mgr ceph-osd monmaptool radosgw radosgw-admin curl openssl; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  ((${#missing[@]} == 0)) || fail "these programs are missing: ${missing[*]}" \
    "make lab installs them on Debian 12; by hand: scripts/install-dependencies.sh lab"
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port VARIABLE DEFAULT FIRST: what the variable says, else the default, else (and for 0) any free
# one of 4000 from FIRST on. They are below the range of outgoing connections.
port() {
  local wanted=${!1-} candidate
  candidate=${wanted:-$2}
  if [[ -n $wanted && $wanted != 0 ]]; then
    [[ $wanted =~ ^[1-9][0-9]{0,4}$ ]] || fail "$1 is no port: $wanted"
    ! taken "$wanted" || fail "port $wanted is taken" "choose another: $1=0 takes any"
  fi
  while ((candidate == 0)) || taken "$candidate"; do candidate=$(($3 + RANDOM % 4000)); done
  echo "$candidate"
}

# The settings of the lab live in the file that also marks DIR as a lab.
choose_settings() {
  east_port=$(port EAST_PORT 7480 20000)
  west_port=$(port WEST_PORT 7481 24000)
  mon_port=$(port MON_PORT 6789 28000)
  tls_port=$(port EAST_TLS_PORT 7482 16000)
  scheme=http day=${LAB_DAY_SECONDS:--1}
  [[ -z ${LAB_TLS-} || ${LAB_TLS-} == 0 ]] || scheme=https
  [[ $day =~ ^(-1|[1-9][0-9]*)$ ]] || fail "LAB_DAY_SECONDS is no number of seconds: $day"
  mkdir -p "$dir"/{mon,mgr,osd,rgw-east,rgw-west,run,log,crash}
  chmod 700 "$dir"
  declare -p east_port west_port mon_port tls_port scheme day | sed 's/^declare -- //' >"$marker"
}

load_settings() {
  [[ -e $marker ]] || fail "there is no lab in $dir" "start one: lab/regions.sh up $dir"
  # shellcheck source=/dev/null
  source "$marker"
}

certificates() {
  local tls=$dir/tls
  mkdir -p "$tls"
  logged openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=Holdfast lab CA" -keyout "$tls/ca.key" -out "$tls/ca.pem"
  logged openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=localhost" -keyout "$tls/server.key" -out "$tls/server.csr"
  logged openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" \
    -CAcreateserial -days 3650 -out "$tls/server.pem" \
    -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:s3.localhost,DNS:*.s3.localhost")
}

# The east speaks TLS besides, on a port of its own.
frontend() {
  local tls="ssl_certificate=$dir/tls/server.pem ssl_private_key=$dir/tls/server.key"
  if [[ $scheme == https ]]; then
    echo "beast ssl_endpoint=127.0.0.1:$1 $tls"
  elif (($1 == east_port)); then
    echo "beast endpoint=127.0.0.1:$1 ssl_endpoint=127.0.0.1:$tls_port $tls"
  else
    echo "beast endpoint=127.0.0.1:$1"
  fi
}

# $1: the cluster's id
write_conf() {
  cat >"$conf" <<CONF
[global]
fsid = $1
mon host = v1:127.0.0.1:$mon_port
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = $dir/run
pid file = $dir/run/\$name.pid
log file = $dir/log/\$name.log
crash dir = $dir/crash
admin socket =
# One disk, one copy, few placement groups.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
# A disk that was silent for 0.8 of that never serves again when it is the only one ("laggy"): a
# machine that stood still for some seconds must not end the lab.
osd heartbeat grace = 100
# So long a gateway waits for one that was killed before it (30 s by default).
osd client watch timeout = 5
[mon.a]
mon data = $dir/mon
mon cluster log file = $dir/log/cluster.log
# A first start makes twenty pools, each of which waits for this (1 s by default).
paxos propose interval = 0.05
# The disk that DIR is on may be nearly full without harm.
mon data avail warn = 0
mon data avail crit = 0
[mgr.x]
mgr data = $dir/mgr
mgr initial modules =
[osd.0]
osd data = $dir/osd
osd objectstore = bluestore
osd memory target = 939524096
bluestore block size = 21474836480
[client]
rgw realm = lab
rgw zonegroup = world
# Two gateways that ask each other for 192 shards of logs are busy even when nothing happens.
rgw data log num shards = 4
rgw md log max shards = 4
rgw override bucket index max shards = 2
# A gateway that was killed holds its locks on replication for so long (seconds).
rgw sync lease period = 10
# Each request would be several lines.
debug rgw = 0/0
debug rgw sync = 0/0
# Log each change that is to be replicated, not one in 30 s for a bucket.
rgw data log window = 2
rgw thread pool size = 64
# BUCKET.s3.localhost is a bucket, too.
rgw dns name = s3.localhost
rgw verify ssl = false
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = lab-key=$(openssl rand -base64 32)
rgw lc debug interval = $day
[client.rgw.east]
rgw zone = east
rgw data = $dir/rgw-east
rgw frontends = $(frontend "$east_port")
[client.rgw.west]
rgw zone = west
rgw data = $dir/rgw-west
rgw frontends = $(frontend "$west_port")
CONF
  chmod 600 "$conf"
}

# ------------------------------------------------------------------------------------------ first

create_cluster() {
  local fsid osd
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd=$(cat /proc/sys/kernel/random/uuid)
  certificates
  write_conf "$fsid"
  logged monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$mon_port]" "$dir/monmap"
  logged ceph-mon --conf "$conf" -i a --mkfs --monmap "$dir/monmap"
  start mon.a
  wait_for_mon
  logged ceph --conf "$conf" --connect-timeout 30 osd new "$osd"
  logged ceph-osd --conf "$conf" -i 0 --mkfs --osd-uuid "$osd"
  start osd.0
  start mgr.x
}

# add_zone NAME KEY SECRET ARGUMENT...: what the zones use to ask each other is KEY.
add_zone() {
  local zone=$1 class
  admin zone create --rgw-zonegroup=world --rgw-zone="$zone" --endpoints="$(url_of "$zone")" \
    --access-key="$2" --secret="$3" "${@:4}"
  for class in STANDARD_IA GLACIER; do
    admin zone placement add --rgw-zone="$zone" --placement-id=default-placement \
      --storage-class="$class" --data-pool="$zone.rgw.buckets.${class,,}"
  done
}

new_key() { echo "LAB$(openssl rand -hex 8)" | tr a-f A-F; }
new_secret() { openssl rand -hex 20; }

add_user() {
  admin user create --rgw-zone=east --uid="$1" --display-name="$1" --access-key="$2" \
    --secret="$3" "${@:4}"
}

create_regions() {
  local key secret class name
  key=$(new_key) secret=$(new_secret)
  admin realm create --rgw-realm=lab --default
  admin zonegroup create --rgw-zonegroup=world --rgw-realm=lab --endpoints="$(url_of east)" \
    --master --default
  for class in STANDARD_IA GLACIER; do
    admin zonegroup placement add --rgw-zonegroup=world --placement-id=default-placement \
      --storage-class="$class"
  done
  add_zone east "$key" "$secret" --master --default
  add_zone west "$key" "$secret"
  admin period update --commit
  add_user zone-sync "$key" "$secret" --system
  : >"$dir/credentials"
  chmod 600 "$dir/credentials"
  for name in operator writer reader; do
    key=$(new_key) secret=$(new_secret)
    add_user "$name" "$key" "$secret"
    printf '[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$name" "$key" "$secret" \
      >>"$dir/credentials"
  done
}

# credential USER access_key_id|secret_access_key
credential() { grep -A2 -xF "[$1]" "$dir/credentials" | sed -n "s/^aws_$2 = //p"; }

# The last thing of a first start: from now on DIR is a whole lab.
write_environment() {
  local file=$dir/lab.env
  (
    umask 077
    {
      echo "export LAB_DIR='$dir'"
      echo "export EAST_URL=$(url_of east)"
      echo "export WEST_URL=$(url_of west)"
      echo "export AWS_ENDPOINT_URL=$(url_of east)"
      echo "export AWS_DEFAULT_REGION=us-east-1"
      # Ceph 16 refuses the checksums that newer AWS clients append to a body over TLS.
      echo "export AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
      echo "export AWS_ACCESS_KEY_ID=$(credential operator access_key_id)"
      echo "export AWS_SECRET_ACCESS_KEY=$(credential operator secret_access_key)"
      echo "export AWS_SHARED_CREDENTIALS_FILE='$dir/credentials'"
      echo "export WRITER_KEY=$(credential writer access_key_id)"
      echo "export WRITER_SECRET=$(credential writer secret_access_key)"
      echo "export READER_KEY=$(credential reader access_key_id)"
      echo "export READER_SECRET=$(credential reader secret_access_key)"
      # The regions are on this machine, whatever proxy there is for others.
      echo "export no_proxy=\"127.0.0.1,localhost\${no_proxy:+,\$no_proxy}\""
      echo "export PATH=\"$programs:\$PATH\""
      echo "export LAB_TLS_PORT=$([[ $scheme == https ]] && echo "$east_port" || echo "$tls_port")"
      echo "export LAB_TLS_CA='$dir/tls/ca.pem'"
      if [[ $scheme == https ]]; then
        echo "export LAB_CA='$dir/tls/ca.pem'"
        echo "export AWS_CA_BUNDLE='$dir/tls/ca.pem'"
      fi
    } >"$file.new"
  )
  mv "$file.new" "$file"
}
