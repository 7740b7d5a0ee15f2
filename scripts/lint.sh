#!/usr/bin/env bash
# lint.sh format|layers|tidy|fix ... : the checks that need no build, in the order given.
# `fix` rewrites the sources instead of complaining.
set -euo pipefail
cd "$(dirname "$0")/.."

sources() {
  find src tests fuzz bench -name '*.h' -o -name '*.cpp' | LC_ALL=C sort
}

# Version 14 by name where there are several: others format differently.
clang_format() {
  local tool
  tool=$(command -v clang-format-14 || command -v clang-format)
  sources | xargs -r "$tool" "$@"
}

tidy() {
  # Clang's, and of several sources a unit: a quarter of the time.
  if [[ ! -e build/asan/compile_commands.json ]]; then
    cmake --preset asan -DHOLDFAST_TESTS=OFF
  fi
  local log=build/clang-tidy.log
  # run-clang-tidy repeats each command line; only what was found is worth reading.
  if ! run-clang-tidy -p build/asan -j "${JOBS:-2}" -quiet "$PWD/build/asan/src/" >"$log" 2>&1; then
    grep -vE '^(clang-tidy|[0-9]+ warnings? generated|Suppressed)' "$log" >&2
    return 1
  fi
}

for check in "$@"; do
  case $check in
    format) clang_format --dry-run -Werror ;;
    fix) clang_format -i ;;
    layers)
      scripts/check-layers.py --self-test
      scripts/check-layers.py
      ;;
    tidy) tidy ;;
    *)
      echo "lint.sh: no check named '$check'" >&2
      exit 2
      ;;
  esac
  echo "$check: fine"
done
