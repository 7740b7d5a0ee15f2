#include "settings/lifecycle.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "settings/keys.h"
#include "settings/values.h"

namespace holdfast {
namespace {

// AWS moves nothing younger to these. Source: S3 User Guide, "Lifecycle: constraints and
// considerations for transitions".
unsigned least_days_before(std::string_view storage_class) {
  return storage_class == "STANDARD_IA" || storage_class == "ONEZONE_IA" ? 30 : 1;
}

Duration read_days(const Field& field, unsigned least) {
  using std::chrono::days;
  const Duration period =
      read_between(field, days{least}, kMostDays, fmt::format("{}d to 100y", least));
  if (period % days{1} != Duration{}) {
    field.fail(fmt::format("'{}' is not a whole number of days", field.text()),
               "write days, for example 30d");
  }
  return period;
}

LifecyclePolicy read_lifecycle_policy(const Field& field, const std::string& where,
                                      unsigned least_days) {
  const Fields fields(field, where, lifecycle_policy_keys());
  LifecyclePolicy policy;
  std::string_view earlier_key;
  Duration earlier{};
  const auto read = [&](std::string_view key, std::optional<Duration>& period, unsigned least) {
    const auto found = fields.find(key);
    if (!found) return;
    period = read_days(*found, least);
    if (*period <= earlier) {
      found->fail(fmt::format("must be longer than '{}'", earlier_key),
                  "objects move to cheaper storage first, then to the archive, then they go");
    }
    earlier_key = key;
    earlier = *period;
  };
  read("infrequent_access_after", policy.infrequent_access_after, least_days);
  read("archive_after", policy.archive_after, 1);
  read("expire_after", policy.expire_after, 1);
  return policy;
}

}  // namespace

LifecycleSettings read_lifecycle(const Field& field) {
  const Fields fields(field, " in 'lifecycle'", lifecycle_keys());
  LifecycleSettings lifecycle;
  if (const auto name = fields.find("infrequent_access_class")) {
    lifecycle.infrequent_access_class = read_storage_class(*name);
  }
  if (const auto name = fields.find("archive_class")) {
    lifecycle.archive_class = read_storage_class(*name);
  }
  if (const auto period = fields.find("keep_versions")) {
    lifecycle.keep_versions = read_days(*period, 1);
  }
  const unsigned least_days = least_days_before(lifecycle.infrequent_access_class);
  for (const std::string_view name : lifecycle_classes()) {
    if (const auto found = fields.find(name)) {
      lifecycle.classes[std::string(name)] =
          read_lifecycle_policy(*found, fmt::format(" in 'lifecycle.{}'", name), least_days);
    }
  }
  return lifecycle;
}

}  // namespace holdfast
