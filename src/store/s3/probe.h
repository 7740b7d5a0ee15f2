// What a bucket and a key can do for Holdfast, found by trying.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/s3/s3_store.h"

namespace holdfast {

struct Feature {
  enum class State {
    kWorks,
    kMissing,  // the store does not have it, or it is switched off
    kDenied,   // this key has no right to it
    kFailed,   // anything else; `detail` has the error
  };
  std::string name;
  State state = State::kWorks;
  std::string detail;
  bool needed = false;          // by every role
  std::string consequence;      // what it means for Holdfast when it does not work
  Code code = Code::kInternal;  // of the error, unless it works
};

// The rights that make the difference between the roles, as names of features.
inline constexpr const char* kReadRight = "read the vault's objects";
inline constexpr const char* kCreateRight = "create the vault's objects";
inline constexpr const char* kRemoveRight = "remove the vault's objects";
inline constexpr const char* kDestroyRight = "destroy old versions";
inline constexpr const char* kHistoryRight = "read old versions";  // tried if there are any
// A feature only when it did not work.
inline constexpr const char* kCleanUp = "remove what the check wrote";

// Tries one feature after the other; `seen` is called for each at once. Ends early when the bucket
// cannot be reached. Objects are written below "lease/probe-RANDOM/", where every role may write,
// and removed at the end. With Object Lock, one version of a few bytes may stay locked for a
// minute. Throws only Error(kCancelled).
std::vector<Feature> probe_store(S3Store& store, const std::function<void(const Feature&)>& seen);

struct StoreVerdict {
  bool usable = false;             // all that is needed works
  std::vector<std::string> roles;  // "writer", "operator", "restorer": those it is good for
  std::string text;                // one line
  Code code = Code::kInternal;     // of the first needed feature that does not work
  bool clean = true;               // nothing of the probe stayed
};
StoreVerdict judge_features(const std::vector<Feature>& features);

// What other probes wrote and did not remove, as far as this key may remove it. What is younger
// than kProbeAge may be of one that runs.
inline constexpr Duration kProbeAge = std::chrono::minutes{5};
void sweep_probes(S3Store& store);

// Throws Error(kUnsupported) when the store lacks conditional writes and the options do not accept
// that (S3Options::emulate_conditions).
void require_conditions(S3Store& store);

// A warning when the options want that the store encrypts, and what is written is not: some stores
// ignore it without a word. Writes a small object below "lease/" and removes it.
std::optional<Error> trouble_with_encryption(S3Store& store);

}  // namespace holdfast
