// The parts of a probe about the bucket: rights, headers, versions, locks, settings.
#include <fmt/format.h>

#include "store/s3/probe_bench.h"
#include "store/s3/upload.h"
#include "store/s3/versions.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kPackLike = 64u << 20;

std::string may_read(ProbeBench& bench, const std::string& absent) {
  S3Request get;
  get.key = absent;
  get.expected = {404};
  bench.bare().send(get);
  return {};
}

std::string may_create(ProbeBench& bench, const std::string& absent) {
  S3Request begin;
  begin.method = "POST";
  begin.key = absent;
  begin.headers = object_headers(bench.client(), "data/00/probe", kPackLike);
  bench.abort_upload(absent, bench.begin_upload(begin));
  return {};
}

std::string may_remove(ProbeBench& bench, const std::string& absent) {
  S3Request remove;
  remove.method = "DELETE";
  remove.key = absent;
  remove.expected = {404};
  const HttpResponse answer = bench.bare().send(remove).http;
  // In a versioned bucket even that leaves a mark.
  const std::string marker(answer.header("x-amz-version-id"));
  if (marker.empty()) return {};
  remove.query = {{"versionId", marker}};
  remove.expected = {400, 403, 404};
  bench.bare().send(remove);
  return {};
}

// Without touching anything of the vault: an object of a random name that does not exist, and an
// upload that is never finished.
void probe_rights(ProbeBench& bench) {
  const std::string absent = bench.store().prefix() + "data/00/" + random_name();
  bench.feature(kReadRight, false, "no role can work", [&] { return may_read(bench, absent); });
  bench.feature(kCreateRight, false, "enough for a restorer, not for a writer or an operator",
                [&] { return may_create(bench, absent); });
  bench.feature(kRemoveRight, false, "as it should be, but for an operator",
                [&] { return may_remove(bench, absent); });
}

std::string takes_class(ProbeBench& bench, const std::string& wanted) {
  bench.bare().send(bench.put("class", bench.small, {{"x-amz-storage-class", wanted}}));
  const HttpResponse head = bench.bare().send(bench.request("HEAD", "class")).http;
  const std::string_view got = head.header("x-amz-storage-class");
  // Which of all classes needs not be said.
  if (got == wanted || (got.empty() && wanted == "STANDARD")) return wanted;
  throw missing_feature(fmt::format("{} became {}", wanted, got.empty() ? "STANDARD" : got), head);
}

std::string encrypts(ProbeBench& bench) {
  bench.bare().send(
      bench.put("encrypted", bench.small, object_headers(bench.bare(), bench.key("encrypted"), 1)));
  const HttpResponse head = bench.bare().send(bench.request("HEAD", "encrypted")).http;
  std::string how(head.header("x-amz-server-side-encryption"));
  if (how.empty()) {
    throw missing_feature("the store does not say that the object is encrypted", head);
  }
  return how;
}

void probe_headers(ProbeBench& bench) {
  const S3Options& options = bench.client().options();
  const bool chosen = !options.storage_class.empty();
  bench.feature(
      "storage class", chosen,
      chosen ? "packs cannot be written as storage_class says" : "leave storage_class away",
      [&] { return takes_class(bench, chosen ? options.storage_class : "STANDARD"); });
  if (options.encryption == S3Encryption::kNone) return;
  bench.feature("encryption by the store", true, "nothing can be written as 'encryption' says",
                [&] { return encrypts(bench); });
}

std::string versioning(ProbeBench& bench) {
  bench.versioning = Versioning::kEnabled;  // until it is known: this key may not be told
  try {
    bench.versioning = bucket_versioning(bench.client());
  } catch (const Error& error) {
    if (error.code() != Code::kDenied) throw;
    // The versions of objects tell it as well.
    const HttpResponse put = bench.bare().send(bench.put("versioned", bench.small)).http;
    const std::string_view version = put.header("x-amz-version-id");
    if (version.empty() || version == "null") {
      bench.versioning = Versioning::kSuspended;
      throw missing_feature("off or suspended: an object got no version", put);
    }
    return "on, as the version of an object shows";
  }
  if (bench.versioning == Versioning::kEnabled) return "on";
  throw missing_feature(bench.versioning == Versioning::kSuspended ? "suspended" : "off");
}

std::string object_lock(ProbeBench& bench) {
  const BucketLock lock = bucket_lock(bench.client());
  if (!lock.enabled) throw missing_feature("off");
  if (lock.mode == LockMode::kNone) return "on, no default";
  return fmt::format("on, default {} {} days",
                     lock.mode == LockMode::kCompliance ? "compliance" : "governance", lock.days);
}

HttpResponse put_locked(ProbeBench& bench) {
  const Timestamp now = bench.client().clock().now() + bench.skew;
  const auto until = std::chrono::ceil<seconds>((now + std::chrono::minutes{1}).time_since_epoch());
  S3Request put = bench.put("locked", bench.small);
  put.headers = {{"x-amz-object-lock-mode", "GOVERNANCE"},
                 {"x-amz-object-lock-retain-until-date", format_rfc3339(Timestamp{until})}};
  put.expected = {403};
  return bench.bare().send(put).http;
}

std::string lock_holds(ProbeBench& bench) {
  const HttpResponse locked = put_locked(bench);
  // Leases are never locked, so the least policies do not allow it here.
  if (locked.status == 403) return "not tried: this key may not lock what lies below lease/";
  const std::string version(locked.header("x-amz-version-id"));
  if (version.empty()) throw missing_feature("a locked object has no version", locked);
  S3Request remove = bench.request("DELETE", "locked");
  remove.query = {{"versionId", version}};
  remove.expected = {400, 403, 405, 409};
  const HttpResponse removed = bench.bare().send(remove).http;
  if (removed.status / 100 == 2) {
    throw missing_feature("a version that was locked for a minute could be removed", removed);
  }
  return "a locked version could not be removed";
}

std::string may_destroy(ProbeBench& bench) {
  const HttpResponse put = bench.bare().send(bench.put("destroyed", bench.small)).http;
  const std::string version(put.header("x-amz-version-id"));
  if (version.empty()) throw missing_feature("objects have no versions", put);
  S3Request remove = bench.request("DELETE", "destroyed");
  remove.query = {{"versionId", version}};
  bench.bare().send(remove);
  return "who has this key can destroy what no lock holds";
}

std::string may_read_history(ProbeBench& bench) {
  const HttpResponse put = bench.bare().send(bench.put("versioned", bench.small)).http;
  list_versions(bench.bare(), bench.full("versioned"), [](const ObjectVersion&) {});
  S3Request get = bench.request("GET", "versioned");
  const std::string version(put.header("x-amz-version-id"));
  if (version.empty()) throw missing_feature("objects have no versions", put);
  get.query = {{"versionId", version}};
  bench.bare().send(get);
  return {};
}

void probe_history(ProbeBench& bench) {
  const bool wanted = bench.client().options().lock != LockMode::kNone;
  bench.feature("versioning", false,
                "without it what a thief overwrites is lost: no --as-of, no locks",
                [&] { return versioning(bench); });
  const bool on = bench.feature(
      "Object Lock", wanted,
      wanted ? "object_lock is set, but most stores only have it from a bucket's making"
             : "who may remove, removes",
      [&] { return object_lock(bench); });
  if (on) {
    bench.feature("locks hold", wanted, "locks do not protect", [&] { return lock_holds(bench); });
  }
  if (bench.versioning == Versioning::kNever) return;
  if (bench.versioning == Versioning::kEnabled) {
    bench.feature(kHistoryRight, false,
                  "enough for a writer or an operator; a restorer needs it for --as-of",
                  [&] { return may_read_history(bench); });
  }
  bench.feature(kDestroyRight, false, "as it should be: not even a stolen key can",
                [&] { return may_destroy(bench); });
}

std::string setting(ProbeBench& bench, const char* name) {
  const auto answer = bucket_setting(bench.client(), name);
  // Some answer with a document that has no rules.
  return answer && as_text(answer->body).find("Rule>") != std::string_view::npos ? "set" : "none";
}

void probe_settings(ProbeBench& bench) {
  bench.feature("read the lifecycle", false, "an operator's lifecycle show cannot compare it",
                [&] { return setting(bench, "lifecycle"); });
  bench.feature("read the replication", false,
                "an operator's region status cannot tell what replicates",
                [&] { return setting(bench, "replication"); });
}

}  // namespace

void probe_bucket(ProbeBench& bench) {
  probe_rights(bench);
  probe_headers(bench);
  probe_history(bench);
  probe_settings(bench);
}

}  // namespace holdfast
