#include "settings/stores.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/human.h"
#include "settings/keys.h"
#include "settings/values.h"

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

constexpr std::string_view kEveryStore = "s3://";
constexpr unsigned kMostConnections = 256;
constexpr std::uint64_t kLeastLimit = 1024;

constexpr auto kAddressing =
    std::to_array<Choice<S3Addressing>>({{"auto", S3Addressing::kAuto},
                                         {"path", S3Addressing::kPath},
                                         {"virtual", S3Addressing::kVirtual}});
constexpr auto kEncryption =
    std::to_array<Choice<S3Encryption>>({{"none", S3Encryption::kNone},
                                         {"sse-s3", S3Encryption::kSseS3},
                                         {"sse-kms", S3Encryption::kSseKms}});
constexpr auto kChecksums = std::to_array<Choice<S3Checksum>>({{"sha256", S3Checksum::kSha256},
                                                               {"md5", S3Checksum::kMd5},
                                                               {"crc32", S3Checksum::kCrc32},
                                                               {"none", S3Checksum::kNone}});
constexpr auto kConditionalWrites =
    std::to_array<Choice<bool>>({{"required", false}, {"emulated", true}});
constexpr auto kLockModes = std::to_array<Choice<LockMode>>(
    {{"governance", LockMode::kGovernance}, {"compliance", LockMode::kCompliance}});
constexpr auto kProxySchemes =
    std::to_array<std::string_view>({"http://", "https://", "socks5://", "socks5h://"});

bool is_letter_or_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool consists_of(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter_or_digit(c) || others.find(c) != std::string_view::npos;
  });
}

std::string read_store_url(const Field& field) {
  std::string url = field.text();
  if (url == kEveryStore) return url;
  const auto fail = [&] {
    field.fail(fmt::format("'{}' is not the address of an S3 store", printable(url)),
               "write s3://BUCKET, s3://BUCKET/PREFIX, or s3:// for all");
  };
  if (!url.starts_with(kEveryStore)) fail();
  const std::string_view place = std::string_view(url).substr(kEveryStore.size());
  const bool gaps = place.find("//") != std::string_view::npos;
  if (gaps || !consists_of(place.substr(0, place.find('/')), "._-")) fail();
  if (url.ends_with('/')) url.pop_back();
  return url;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data(), end, port);
  return failed == std::errc{} && stop == end && port >= 1 && port <= 65535;
}

// "HOST", "HOST:PORT", "[ADDRESS]:PORT".
bool is_host_and_port(std::string_view text) {
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || !consists_of(text.substr(1, close - 1), ":.")) {
      return false;
    }
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (!consists_of(text.substr(0, colon), "._-")) return false;
    rest = text.substr(colon);
  }
  return rest.empty() || (rest[0] == ':' && is_port(rest.substr(1)));
}

// The value is in no message: it may hold a password.
std::string read_proxy(const Field& field) {
  const std::string proxy = field.text();
  const auto* const scheme =
      std::find_if(kProxySchemes.begin(), kProxySchemes.end(),
                   [&](std::string_view known) { return proxy.starts_with(known); });
  std::string_view rest;
  if (scheme != kProxySchemes.end()) rest = std::string_view(proxy).substr(scheme->size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty() || rest.find_first_of("/?# \t\r\n") != std::string_view::npos) {
    field.fail("is not the address of a proxy",
               "write http://HOST:PORT; https, socks5 and socks5h are known, too");
  }
  return proxy;
}

std::string read_region(const Field& field) {
  std::string region = field.text();
  if (region.size() > 64 || !consists_of(region, "_-")) {
    field.fail(fmt::format("'{}' is not the name of a region", printable(region)),
               "for example eu-central-1");
  }
  return region;
}

std::uint64_t read_limit(const Field& field) {
  const std::uint64_t limit = field.size();
  if (limit < kLeastLimit) {
    field.fail(fmt::format("'{}' is less than {} a second", field.text(), format_size(kLeastLimit)),
               "write it with a unit, for example 20MiB; without the key there is no limit");
  }
  return limit;
}

void read_lock(const Field& field, const std::string& where, S3Options& s3) {
  const Fields fields(field, " in 'object_lock'" + where, object_lock_keys());
  s3.lock = read_choice(fields.require("mode", "governance or compliance"), kLockModes);
  s3.lock_period =
      read_between(fields.require("period", "how long nothing can be deleted, for example 30d"),
                   days{1}, kMostDays, "1d to 100y");
}

void read_address(const Fields& fields, S3Options& s3) {
  if (const auto field = fields.find("endpoint")) s3.endpoint = read_endpoint(*field);
  if (const auto field = fields.find("region")) s3.region = read_region(*field);
  if (const auto field = fields.find("addressing"))
    s3.addressing = read_choice(*field, kAddressing);
  if (const auto field = fields.find("profile")) s3.profile = field->text();
  if (const auto field = fields.find("ca_file")) s3.ca_file = read_path(*field);
  if (const auto field = fields.find("proxy")) s3.proxy = read_proxy(*field);
}

void read_writing(const Fields& fields, const std::string& where, S3Options& s3) {
  if (const auto field = fields.find("storage_class"))
    s3.storage_class = read_storage_class(*field);
  if (const auto field = fields.find("encryption"))
    s3.encryption = read_choice(*field, kEncryption);
  if (const auto field = fields.find("kms_key")) {
    s3.kms_key = field->text();
    if (s3.encryption != S3Encryption::kSseKms) {
      field->fail("only with 'encryption: sse-kms'", "add that line, or remove this one");
    }
  }
  if (const auto field = fields.find("checksum")) {
    s3.checksum = read_choice(*field, kChecksums);
    if (s3.checksum == S3Checksum::kNone && s3.endpoint.starts_with("http://")) {
      field->fail("over http:// nothing else would notice a changed byte",
                  "use an endpoint with https://, or another checksum");
    }
  }
  if (const auto field = fields.find("object_lock")) read_lock(*field, where, s3);
  if (const auto field = fields.find("conditional_writes")) {
    s3.emulate_conditions = read_choice(*field, kConditionalWrites);
  }
}

void read_transfer(const Fields& fields, S3Options& s3) {
  if (const auto field = fields.find("limit_upload")) s3.upload_limit = read_limit(*field);
  if (const auto field = fields.find("limit_download")) s3.download_limit = read_limit(*field);
  if (const auto field = fields.find("connections")) {
    s3.connections = field->number(1, kMostConnections);
  }
  if (const auto field = fields.find("request_timeout")) {
    s3.request_timeout = read_between(*field, seconds{1}, hours{1}, "1s to 1h");
  }
  if (const auto field = fields.find("retry_for")) {
    s3.retry_for = read_between(*field, seconds{1}, days{1}, "1s to 1d");
  }
}

// How messages name a store, before anything is known to be right about it.
std::string describe_store(const Node& node, std::size_t number) {
  for (const NodeMember& member : node.members) {
    if (member.key == "url" && !member.value.text.empty()) {
      return fmt::format(" in store '{}'", printable(member.value.text));
    }
  }
  return fmt::format(" in store number {}", number);
}

StoreSettings read_store(const Field& item, std::size_t number) {
  const std::string where = describe_store(item.node(), number);
  const Fields fields(item, where, store_keys());
  StoreSettings store;
  store.url = read_store_url(fields.require("url", "s3://BUCKET, or s3:// for all"));
  read_address(fields, store.s3);
  read_writing(fields, where, store.s3);
  read_transfer(fields, store.s3);
  return store;
}

bool covers(const std::string& place, const std::string& url) {
  if (!url.starts_with(place)) return false;
  return place == kEveryStore || url.size() == place.size() || url[place.size()] == '/';
}

}  // namespace

// The value is in no message: it may hold credentials where none belong.
std::string read_endpoint(const Field& field) {
  std::string endpoint = field.text();
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
    field.fail("does not start with https:// or http://",
               "write https://HOST or https://HOST:PORT");
  }
  const std::size_t begin = endpoint.find("//") + 2;
  if (endpoint.size() > begin && endpoint.ends_with('/')) endpoint.pop_back();
  const std::string_view host = std::string_view(endpoint).substr(begin);
  if (host.find('@') != std::string_view::npos) {
    field.fail("credentials do not belong into an address",
               "put them into ~/.aws/credentials and name their 'profile'");
  }
  if (host.find_first_of("/?#") != std::string_view::npos) {
    field.fail("has more than a host and a port", "the bucket and its prefix belong into 'url'");
  }
  if (!is_host_and_port(host)) {
    field.fail("does not name a host and a port", "write https://HOST or https://HOST:PORT");
  }
  return endpoint;
}

std::vector<StoreSettings> read_stores(const Field& list) {
  std::vector<StoreSettings> stores;
  std::set<std::string> urls;
  for (const Field& item : list.items()) {
    const Field element(item.node(), item.file(), {});
    StoreSettings store = read_store(element, stores.size() + 1);
    if (!urls.insert(store.url).second) {
      element.fail(fmt::format("a second store '{}'", printable(store.url)),
                   "put everything about one url into one entry");
    }
    stores.push_back(std::move(store));
  }
  return stores;
}

S3Options s3_options_for(const Settings& settings, const std::string& url) {
  const StoreSettings* best = nullptr;
  for (const StoreSettings& store : settings.stores) {
    if (covers(store.url, url) && (best == nullptr || store.url.size() > best->url.size())) {
      best = &store;
    }
  }
  return best == nullptr ? S3Options{} : best->s3;
}

}  // namespace holdfast
