// What every fuzzer shares: an Error is a good answer to bad input, anything else is a finding.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"
#include "base/error.h"

namespace holdfast {

template <typename Parse>
void refuse_or_accept(Parse parse) {
  try {
    parse();
  } catch (const Error& error) {
    if (error.code() == Code::kInternal) std::abort();
  }
}

// A property that must hold for whatever was accepted.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace holdfast
