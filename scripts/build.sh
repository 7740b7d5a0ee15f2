#!/usr/bin/env bash
# build.sh PRESET [--tests] [TARGET...]
# Configures the preset if that has not been done (with the tests only when they are asked for, so
# that a plain build does not need their packages) and builds the targets, or everything.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
cache=build/$preset/CMakeCache.txt
options=()
if [[ ${1-} == --tests ]]; then
  shift
  grep -qs '^HOLDFAST_TESTS:BOOL=ON' "$cache" || options=(-DHOLDFAST_TESTS=ON)
elif [[ ! -e build/$preset/build.ninja ]]; then
  options=(-DHOLDFAST_TESTS=OFF)
fi

if ((${#options[@]})) || [[ ! -e build/$preset/build.ninja ]]; then
  # CMake takes the launcher from the environment when it configures for the first time.
  if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER-} ]] && command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
  cmake --preset "$preset" "${options[@]}"
fi

targets=()
(($#)) && targets=(--target "$@")
cmake --build "build/$preset" "${targets[@]}"
