#include "cli/copies.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

// As the runbook names the bucket of the second region.
std::vector<CopyPlace> copies_of_environment(Context& context) {
  const std::string bucket = environment_value("BACKUP_BUCKET");
  const std::string region = environment_value("DR_REGION");
  if (bucket.empty() || region.empty()) return {};
  CopyPlace place;
  place.settings.name = region;
  place.settings.url = fmt::format("s3://{}-{}", bucket, region);
  place.settings.region = region;
  place.options = place_options(context, place.settings.url);
  if (place.options.s3.region.empty()) place.options.s3.region = region;
  return {std::move(place)};
}

}  // namespace

std::vector<CopyPlace> copies_of(Context& context) {
  std::vector<CopyPlace> places;
  for (const CopySettings& copy : context.settings().copies) {
    CopyPlace place{copy, place_options(context, copy.url)};
    S3Options& s3 = place.options.s3;
    if (!copy.endpoint.empty()) s3.endpoint = copy.endpoint;
    if (!copy.profile.empty()) s3.profile = copy.profile;
    if (s3.region.empty()) s3.region = copy.region;
    places.push_back(std::move(place));
  }
  return places.empty() ? copies_of_environment(context) : places;
}

CopyPlace find_copy(Context& context, const std::string& name) {
  std::string names;
  for (CopyPlace& place : copies_of(context)) {
    if (place.settings.name == name) return std::move(place);
    names += (names.empty() ? "" : ", ") + place.settings.name;
  }
  throw Error(Code::kNotFound, fmt::format("there is no copy '{}'", printable(name)),
              names.empty() ? "list 'copies:' in the configuration" : "the copies are: " + names);
}

OpenedVault open_copy(Context& context, const CopyPlace& place, const KeyRing& ring) {
  OpenedVault copy;
  copy.store = open_store(place.settings.url, place.options);
  copy.vault = Vault::open(*copy.store, context.clock, ring, "");
  return copy;
}

}  // namespace holdfast
