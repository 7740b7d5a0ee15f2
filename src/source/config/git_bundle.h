// From a repository to one file that holds all of its history.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "source/config/git_repository.h"

namespace holdfast {

struct GitBundle {
  bool empty = false;              // the repository has no commits; no file was written
  std::vector<std::string> notes;  // what the bundle does not hold
};

// Writes a bundle of all branches, tags, other references and HEAD to `output_path` (absolute,
// replaced when it exists). Unchanged repositories give identical files. Uncommitted changes are
// not in it. Throws Error: kCorrupt when objects are missing (damage, or a partial clone),
// kExhausted, kUnsupported without git, kCancelled.
GitBundle git_bundle(const GitRepository& repository, const std::string& output_path,
                     std::stop_token stop = {});

// What the header of a bundle says.
struct BundleHeader {
  struct Reference {
    std::string object;
    std::string name;  // "HEAD", "refs/heads/main"
  };
  std::string object_format = "sha1";
  std::vector<Reference> references;
  std::optional<std::string> find(const std::string& name) const;  // the object
};

// Throws Error(kCorrupt) when the file is no bundle of version 2 or 3.
BundleHeader read_bundle_header(const std::string& path);

}  // namespace holdfast
