// The two S3 regions of lab/regions.sh, for tests of programs with the label "lab".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "os/process.h"
#include "store/s3/options.h"

namespace holdfast {

enum class Region { kEast, kWest };

// The lab's users. What the owner makes is closed to the others until a policy of the bucket opens
// it.
inline constexpr const char* kLabOwner = "operator";
inline constexpr const char* kLabWriter = "writer";
inline constexpr const char* kLabReader = "reader";

struct LabKeys {
  std::string access_key;
  std::string secret_key;
};

struct Lab {
  std::string directory;
  std::string east_url;
  std::string west_url;
  std::string ca_file;  // PEM; empty: the regions talk plain HTTP
  // The east on 127.0.0.1 with TLS, for localhost, s3.localhost and BUCKET.s3.localhost.
  std::string tls_port;
  std::string tls_ca_file;
  LabKeys owner;
  LabKeys writer;
  LabKeys reader;

  const std::string& url(Region region) const;
};

// Reads $HOLDFAST_LAB/lab.env at the first call. That call also sets AWS_SHARED_CREDENTIALS_FILE to
// the lab's file, where each user is a profile, so it is to come before other threads start. Throws
// Error(kNotFound) when there is no lab.
const Lab& lab();

// For an S3Store or S3Client in `region`, as `user`.
S3Options lab_options(Region region, const std::string& user = kLabOwner);
// For a child process that is to work there; nothing of the user's own AWS settings is left.
std::vector<std::pair<std::string, std::string>> lab_environment(
    Region region, const std::string& user = kLabOwner);
// The same with the keys of all users at hand, by profile, and none chosen.
std::map<std::string, std::string> profile_environment();
// `aws ARGUMENTS` there.
ProcessResult run_aws(Region region, std::vector<std::string> arguments,
                      const std::string& user = kLabOwner);

enum class BucketKind {
  kPlain,
  kVersioned,
  kLocked,  // with Object Lock, hence versioned; no default retention
};

// A bucket of the owner that no other test has; both regions have it when this returns. Both must
// run.
std::string new_bucket(BucketKind kind = BucketKind::kPlain);

// Ends a region, which keeps its data, and starts it again. A test that stops one starts it again
// on every way out: see RegionOutage.
void stop_zone(Region region);
// The same by SIGKILL, whatever it is at.
void kill_zone(Region region);
void start_zone(Region region);
// Returns when each region has what the other one has. Throws Error(kUnavailable) after two
// minutes.
void wait_sync();

// One region is away as long as this lives.
class RegionOutage {
 public:
  explicit RegionOutage(Region region, void (*stop)(Region) = stop_zone) : region_(region) {
    stop(region_);
  }
  RegionOutage(const RegionOutage&) = delete;
  RegionOutage& operator=(const RegionOutage&) = delete;
  ~RegionOutage() { end(); }
  // Starts the region again; fails the test when it does not come.
  void end();

 private:
  const Region region_;
  bool over_ = false;
};

}  // namespace holdfast
