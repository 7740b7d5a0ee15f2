#!/usr/bin/env bash
# fuzz.sh SECONDS: builds the fuzzers and runs each one for that long over its corpus in
# fuzz/corpus/NAME, JOBS (2) at a time. They share the build of the address sanitizer. What is found
# on the way stays in build/fuzz/found; a crash fails the run and its input stands in
# build/fuzz/crashes, ready to become a test.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}

run_one() {
  local fuzzer=$1 seconds=$2 crashes=build/fuzz/crashes name
  name=$(basename "$fuzzer")
  name=${name#fuzz_}
  local found=build/fuzz/found/$name log=build/fuzz/$name.log
  mkdir -p "$found"
  local corpora=("$found")
  [[ -d fuzz/corpus/$name ]] && corpora+=("fuzz/corpus/$name")
  if ! "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$crashes/$name-" "${corpora[@]}" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "fuzz: $name failed; its input is in $crashes" >&2
    return 255  # xargs starts no other
  fi
  printf 'fuzz: %-16s %s\n' "$name" "$(grep -E '^Done|^stat::number' "$log" | tail -n 1)"
}

scripts/build.sh asan fuzzers
mkdir -p build/fuzz/crashes
fuzzers=(build/asan/bin/fuzz_*)
if [[ ! -x ${fuzzers[0]} ]]; then
  echo "fuzz: there is no fuzzer in build/asan/bin" >&2
  exit 1
fi
export -f run_one
printf '%s\0' "${fuzzers[@]}" |
  xargs -0 -n 1 -P "${JOBS:-2}" bash -c 'set -euo pipefail; run_one "$2" "$1"' fuzz.sh "$seconds" 2>&1
