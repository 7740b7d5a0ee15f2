#!/usr/bin/env bash
# fuzz.sh SECONDS: builds the fuzzers and runs each one for that long over its corpus in
# fuzz/corpus/NAME. They share the build of the address sanitizer. What is found on the way stays in
# build/fuzz/found; a crash fails the run and its input stands in build/fuzz/crashes, ready to become
# a test.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}

scripts/build.sh asan fuzzers
crashes=build/fuzz/crashes
mkdir -p "$crashes"

ran=0
for fuzzer in build/asan/bin/fuzz_*; do
  [[ -x $fuzzer ]] || continue
  name=$(basename "$fuzzer")
  name=${name#fuzz_}
  found=build/fuzz/found/$name
  mkdir -p "$found"
  corpora=("$found")
  [[ -d fuzz/corpus/$name ]] && corpora+=("fuzz/corpus/$name")
  log=build/fuzz/$name.log
  if ! "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$crashes/$name-" "${corpora[@]}" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "fuzz: $name failed; its input is in $crashes" >&2
    exit 1
  fi
  printf 'fuzz: %-16s %s\n' "$name" "$(grep -E '^Done|^stat::number' "$log" | tail -n 1)"
  ran=$((ran + 1))
done

if ((ran == 0)); then
  echo "fuzz: there is no fuzzer in build/asan/bin" >&2
  exit 1
fi
