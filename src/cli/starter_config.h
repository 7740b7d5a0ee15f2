// A first configuration for a machine that takes over from a lost one.
#pragma once

#include <string>
#include <vector>

#include "cli/recoverable.h"
#include "store/s3/options.h"

namespace holdfast {

struct StarterConfig {
  std::string vault;     // URL, or a path, which may be relative
  std::string key_file;  // empty: the key is another thing
  S3Options s3;          // how the vault was reached
  Timestamp date{};
};

// The text of a holdfast.yaml that opens the vault. The sources that it holds stand there as
// comments, with the paths that they had as far as the key can read them.
std::string starter_config(const StarterConfig& config,
                           const std::vector<RecoverableSource>& sources);

}  // namespace holdfast
