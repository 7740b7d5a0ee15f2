#include "support/lab.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <map>
#include <random>
#include <sstream>

#include "base/bytes.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/s3/client.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

// The "export NAME=VALUE" lines; values have no quotes inside.
std::map<std::string, std::string> exported(const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string_view word = "export ";
    const auto equals = line.find('=');
    if (!line.starts_with(word) || equals == std::string::npos) continue;
    std::string value = line.substr(equals + 1);
    std::erase(value, '\'');
    values[line.substr(word.size(), equals - word.size())] = value;
  }
  return values;
}

std::string lab_directory() {
  const char* directory = std::getenv("HOLDFAST_LAB");
  if (directory != nullptr && *directory != '\0') return directory;
  throw Error(Code::kNotFound, "HOLDFAST_LAB is not set, so there are no regions to test with",
              "run these tests with ctest, or: make lab && HOLDFAST_LAB=build/lab TEST");
}

Lab read_lab() {
  const std::string directory = lab_directory();
  auto values = exported(std::string(as_text(read_file(directory + "/lab.env"))));
  Lab lab;
  lab.directory = directory;
  lab.east_url = values.at("EAST_URL");
  lab.west_url = values.at("WEST_URL");
  lab.ca_file = values["LAB_CA"];
  lab.tls_port = values["LAB_TLS_PORT"];
  lab.tls_ca_file = values["LAB_TLS_CA"];
  lab.owner = {values.at("AWS_ACCESS_KEY_ID"), values.at("AWS_SECRET_ACCESS_KEY")};
  lab.writer = {values.at("WRITER_KEY"), values.at("WRITER_SECRET")};
  lab.reader = {values.at("READER_KEY"), values.at("READER_SECRET")};
  const std::string& credentials = values.at("AWS_SHARED_CREDENTIALS_FILE");
  ::setenv("AWS_SHARED_CREDENTIALS_FILE", credentials.c_str(), 1);
  ::setenv("AWS_CONFIG_FILE", "/dev/null", 1);
  return lab;
}

const char* name_of(Region region) { return region == Region::kEast ? "east" : "west"; }

const LabKeys& keys_of(const std::string& user) {
  if (user == kLabOwner) return lab().owner;
  if (user == kLabWriter) return lab().writer;
  if (user == kLabReader) return lab().reader;
  throw Error(Code::kInvalid, "the lab has no user " + user);
}

void regions(const std::string& command, const std::vector<std::string>& more = {}) {
  ProcessOptions options;
  options.argv = {std::string(HOLDFAST_TESTS_DIR) + "/../lab/regions.sh", command, lab().directory};
  options.argv.insert(options.argv.end(), more.begin(), more.end());
  options.timeout = seconds{330};
  const ProcessResult result = run_process(options);
  if (result.exit_code == 0) return;
  throw Error(Code::kUnavailable, "lab/regions.sh " + command + ": " + result.error_output);
}

// "round-trip-of-a-pack-1f0c9a3e": the test's name as far as bucket names go, and chance.
std::string fresh_name() {
  std::string name = "test";
  if (const auto* test = ::testing::UnitTest::GetInstance()->current_test_info()) {
    name = test->name();
  }
  std::string bucket;
  for (const char c : name.substr(0, 40)) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (upper && !bucket.empty()) bucket += '-';
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) continue;
    bucket += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::random_device device;
  Bytes chance(4);
  for (auto& byte : chance) byte = static_cast<std::uint8_t>(device());
  return bucket.substr(0, 50) + "-" + to_hex(chance);
}

void require_versions(S3Client& client) {
  constexpr std::string_view kEnabled =
      "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<Status>Enabled</Status></VersioningConfiguration>";
  S3Request request;
  request.method = "PUT";
  request.query = {{"versioning", ""}};
  request.body = body_of(as_bytes(kEnabled));
  client.send(request);
}

}  // namespace

const std::string& Lab::url(Region region) const {
  return region == Region::kEast ? east_url : west_url;
}

const Lab& lab() {
  static const Lab instance = read_lab();
  return instance;
}

S3Options lab_options(Region region, const std::string& user) {
  S3Options options;
  options.endpoint = lab().url(region);
  options.region = "us-east-1";
  options.profile = user;
  options.ca_file = lab().ca_file;
  return options;
}

std::vector<std::pair<std::string, std::string>> lab_environment(Region region,
                                                                 const std::string& user) {
  const LabKeys& keys = keys_of(user);
  return {{"AWS_ENDPOINT_URL", lab().url(region)},
          {"AWS_ACCESS_KEY_ID", keys.access_key},
          {"AWS_SECRET_ACCESS_KEY", keys.secret_key},
          {"AWS_DEFAULT_REGION", "us-east-1"},
          {"AWS_REGION", "us-east-1"},
          {"AWS_CA_BUNDLE", lab().ca_file},
          {"AWS_CONFIG_FILE", "/dev/null"},
          {"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
          // Ceph 16 refuses the checksums that newer AWS clients append to a body over TLS.
          {"AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"},
          {"AWS_EC2_METADATA_DISABLED", "true"},
          {"AWS_PAGER", ""},
          {"no_proxy", "127.0.0.1"}};
}

std::map<std::string, std::string> profile_environment() {
  lab();  // writes the file of credentials
  return {{"AWS_SHARED_CREDENTIALS_FILE", std::getenv("AWS_SHARED_CREDENTIALS_FILE")},
          {"AWS_CONFIG_FILE", "/dev/null"},
          {"AWS_ACCESS_KEY_ID", ""},
          {"AWS_SECRET_ACCESS_KEY", ""},
          {"AWS_SESSION_TOKEN", ""},
          {"AWS_PROFILE", ""},
          {"AWS_ENDPOINT_URL", ""},
          {"AWS_EC2_METADATA_DISABLED", "true"},
          {"no_proxy", "127.0.0.1"}};
}

ProcessResult run_aws(Region region, std::vector<std::string> arguments, const std::string& user) {
  ProcessOptions options;
  // Older ones do not know AWS_ENDPOINT_URL.
  options.argv = {"aws", "--endpoint-url", lab().url(region)};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = lab_environment(region, user);
  options.timeout = seconds{120};
  return run_process(options);
}

std::string new_bucket(BucketKind kind) {
  const std::string name = fresh_name();
  // The west hands it on to the east before it answers, so both have the bucket.
  S3Client client(name, lab_options(Region::kWest), system_clock(), {});
  S3Request create;
  create.method = "PUT";
  if (kind == BucketKind::kLocked) {
    create.headers.emplace_back("x-amz-bucket-object-lock-enabled", "true");
  }
  client.send(create);
  if (kind == BucketKind::kVersioned) require_versions(client);
  return name;
}

void stop_zone(Region region) { regions("stop-zone", {name_of(region)}); }
void kill_zone(Region region) { regions("kill-zone", {name_of(region)}); }
void start_zone(Region region) { regions("start-zone", {name_of(region)}); }
void wait_sync() { regions("wait-sync"); }

void RegionOutage::end() {
  if (over_) return;
  over_ = true;
  try {
    start_zone(region_);
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

}  // namespace holdfast
