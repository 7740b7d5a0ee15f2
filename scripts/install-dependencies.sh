#!/usr/bin/env bash
# Installs the Debian 12 packages of the groups named (see below). Does nothing, and needs no rights
# and no network, when all of them are there.
set -euo pipefail

packages_of() {
  case $1 in
    build)
      echo g++ cmake ninja-build pkg-config git ca-certificates libfmt-dev nlohmann-json3-dev \
        libcli11-dev libyaml-cpp-dev libssl-dev libsodium-dev libzstd-dev \
        libcurl4-openssl-dev libpugixml-dev zlib1g-dev libpq-dev libarchive-dev libmariadb-dev
      ;;
    # util-linux has setpriv.
    test)
      echo libgtest-dev libgmock-dev attr acl git openssl util-linux age zstd postgresql-15 \
        mariadb-server mariadb-backup
      ;;
    # npm, which may also have come with another package of node.
    servers) command -v npm >/dev/null || echo npm ;;
    # A one-node Ceph cluster with two zones, and what a person types against it.
    lab) echo ceph-mon ceph-osd ceph-mgr ceph-common radosgw awscli curl openssl ;;
    demo) echo attr acl postgresql-15 procps ;;
    bench) echo restic borgbackup rclone time python3 postgresql-15 pgbackrest mariadb-server mariadb-backup age zstd ;;
    lint) echo clang clang-format clang-tidy python3 ;;
    fuzz) echo clang libclang-rt-14-dev ;;
    *)
      echo "install-dependencies.sh: no group named '$1'" >&2
      echo "The groups are: build test servers lab demo bench lint fuzz" >&2
      return 2
      ;;
  esac
}

# "not-installed" is what dpkg says of a package that it only knows by name.
installed() {
  dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is not Debian, so nothing can be installed from its packages." >&2
  echo "Install what scripts/install-dependencies.sh names with your own package manager, then" >&2
  echo "build with: cmake --preset release -DHOLDFAST_TESTS=OFF && cmake --build build/release" >&2
  exit 1
fi

missing=()
for group in "$@"; do
  names=$(packages_of "$group")
  for package in $names; do
    installed "$package" || missing+=("$package")
  done
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "These Debian packages are missing, and only root can install them (there is no sudo):" >&2
    echo "  apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Installing from Debian's packages: ${missing[*]}"
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
"${install[@]}" update -q
if ! "${install[@]}" install -q -y --no-install-recommends "${missing[@]}"; then
  echo "apt-get could not install: ${missing[*]}" >&2
  echo "Holdfast is built for Debian 12 (bookworm); check its sources in /etc/apt and the network." >&2
  exit 1
fi
