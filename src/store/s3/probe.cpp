#include "store/s3/probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/probe_area.h"
#include "store/s3/client.h"
#include "store/s3/probe_bench.h"

namespace holdfast {
namespace {

bool works(const std::vector<Feature>& features, const std::string& name) {
  return std::any_of(features.begin(), features.end(), [&](const Feature& feature) {
    return feature.name == name && feature.state == Feature::State::kWorks;
  });
}

bool is_denied(const std::vector<Feature>& features, const std::string& name) {
  return std::any_of(features.begin(), features.end(), [&](const Feature& feature) {
    return feature.name == name && feature.state == Feature::State::kDenied;
  });
}

// Why the store's conditional writes cannot be relied on; empty when they can.
std::string trouble_with_conditions(S3Store& store, const std::string& key) {
  const Bytes first = random_bytes(100);
  const Bytes second = random_bytes(100);
  try {
    if (!store.put_new(key, first)) return "If-None-Match is taken for false without an object";
    if (store.put_new(key, second)) return "If-None-Match is ignored";
    if (store.replace(key, second, "00000000000000000000000000000000"))
      return "If-Match is ignored";
    const auto info = store.stat(key);
    if (!info || !store.replace(key, second, info->etag)) return "If-Match with the ETag fails";
  } catch (const Error& error) {
    if (error.code() != Code::kInvalid && error.code() != Code::kUnsupported) throw;
    return error.message();
  }
  return {};
}

const char* encryption_name(S3Encryption encryption) {
  return encryption == S3Encryption::kSseKms ? "sse-kms" : "sse-s3";
}

// Whether an answer about an object says what was asked for.
bool is_encrypted(const HttpResponse& head, S3Encryption wanted) {
  const std::string_view how = head.header("x-amz-server-side-encryption");
  return wanted == S3Encryption::kSseKms ? how.starts_with("aws:kms") : !how.empty();
}

std::string probe_key() { return "lease/" + random_name(); }

void remove_if_possible(S3Store& store, const std::string& key) {
  try {
    store.remove(key);
  } catch (const Error&) {
    // The error that matters is another one, or there is none.
  }
}

}  // namespace

std::vector<Feature> probe_store(S3Store& store, const std::function<void(const Feature&)>& seen) {
  ProbeBench bench(store, seen);
  try {
    if (probe_reach(bench)) {
      sweep_probes(store);
      probe_objects(bench);
      probe_writes(bench);
      probe_bucket(bench);
      probe_speed(bench);
      bench.clean_up();
    }
  } catch (...) {
    bench.clean_up();
    throw;
  }
  return bench.take();
}

void sweep_probes(S3Store& store) {
  try {
    const Timestamp newest = store.client().store_time() - kProbeAge;
    for (const ObjectInfo& object : list_objects(store, std::string(kProbeArea))) {
      if (object.modified <= newest) remove_if_possible(store, object.key);
    }
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    // Whatever keeps this key from listing is told by who asked for more than this.
  }
}

StoreVerdict judge_features(const std::vector<Feature>& features) {
  StoreVerdict verdict;
  verdict.clean = std::none_of(features.begin(), features.end(),
                               [](const Feature& feature) { return feature.name == kCleanUp; });
  std::vector<std::string> lacking;
  for (const Feature& feature : features) {
    if (!feature.needed || feature.state == Feature::State::kWorks) continue;
    if (lacking.empty()) verdict.code = feature.code;
    lacking.push_back(feature.name);
  }
  if (!lacking.empty()) {
    verdict.text = fmt::format("not good for Holdfast, because of: {}", fmt::join(lacking, "; "));
    return verdict;
  }
  if (!works(features, kReadRight)) {
    verdict.code = Code::kDenied;
    verdict.text = std::string("good for no role: this key may not ") + kReadRight;
    return verdict;
  }
  const bool create = works(features, kCreateRight);
  const bool remove = works(features, kRemoveRight);
  if (create) verdict.roles.emplace_back("writer");
  if (create && remove) verdict.roles.emplace_back("operator");
  const bool history = !is_denied(features, kHistoryRight);
  if (history) verdict.roles.emplace_back("restorer");
  verdict.usable = true;
  verdict.text = verdict.roles.empty()
                     ? "good for reading what is there now, without --as-of"
                     : fmt::format("good for: {}", fmt::join(verdict.roles, ", "));
  if (!history && !verdict.roles.empty()) {
    verdict.text += "; a restorer may read old versions, too (--as-of)";
  }
  if (remove) verdict.text += "; a writer or restorer is safer with a key that cannot remove";
  return verdict;
}

void require_conditions(S3Store& store) {
  if (store.client().options().emulate_conditions) return;
  const std::string key = probe_key();
  std::string trouble;
  try {
    trouble = trouble_with_conditions(store, key);
  } catch (...) {
    remove_if_possible(store, key);
    throw;
  }
  remove_if_possible(store, key);
  if (trouble.empty()) return;
  throw Error(Code::kUnsupported,
              fmt::format("{} has no conditional writes: {}", store.traits().url, trouble),
              "use another store, or accept that two programs at one instant can defeat each other "
              "with 'conditional_writes: emulated' under 'stores' (docs/S3.md)");
}

std::optional<Error> trouble_with_encryption(S3Store& store) {
  const S3Encryption wanted = store.client().options().encryption;
  if (wanted == S3Encryption::kNone) return std::nullopt;
  const std::string key = probe_key();
  store.put(key, random_bytes(100));
  const HttpResponse head =
      store.client().send({.method = "HEAD", .key = store.prefix() + key}).http;
  remove_if_possible(store, key);
  if (is_encrypted(head, wanted)) return std::nullopt;
  return Error(
      Code::kUnsupported,
      fmt::format("{} ignores 'encryption: {}': what is written is not encrypted by the "
                  "store{}",
                  store.traits().url, encryption_name(wanted), request_note(head)),
      "a vault is encrypted by Holdfast itself, so nobody can read it for that; archives "
      "without recipients lie there open. Switch encryption on in the store (Ceph: version "
      "17 or later, with rgw crypt settings), or remove 'encryption' under 'stores'; "
      "`holdfast store check` looks again");
}

}  // namespace holdfast
