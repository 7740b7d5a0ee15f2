// What is found when a set-up is looked at before it is used.
#pragma once

#include <string>

namespace holdfast {

enum class Verdict { kGood, kAdvice, kBad };

struct SetupFinding {
  Verdict verdict = Verdict::kGood;
  std::string what;  // "wal_level is replica"
  std::string hint;  // what to do; empty when there is nothing
};

}  // namespace holdfast
