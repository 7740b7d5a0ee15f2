// What the tests of source/files share: scratch trees and children with fewer rights.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "os/file.h"
#include "source/files/target.h"
#include "source/files/walker.h"
#include "vault/entry.h"

namespace holdfast::test {

// A directory of its own under the system's place for temporary files, removed at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string stored() const { return path_.substr(1); }
  // Creates a file or directory, with those above it, by its path relative to the scratch.
  std::string file(std::string_view relative, std::string_view content = "x") const;
  std::string directory(std::string_view relative) const;
  std::string at(std::string_view relative) const { return path_ + "/" + std::string(relative); }

 private:
  std::string path_;
};

bool is_root();
// Runs `body` in a forked child and reports its failures as ours.
void in_child(const std::function<void()>& body);
// The same, as the user nobody when we are root.
void as_nobody(const std::function<void()>& body);
// The same, with a system call filter that answers ENOSYS to openat2.
void without_openat2(const std::function<void()>& body);

// A walk's findings.
struct Walked {
  std::vector<std::string> paths;  // ancestors left out
  std::vector<std::string> ancestors;
  std::vector<std::string> warned;  // paths
  std::vector<Error> warnings;
};
Walked walked(const WalkOptions& options);

// False when the file system has no such attributes.
bool set_xattr(const std::string& path, const std::string& name, std::string_view value);
std::string text_of(const std::string& path);
// What lstat says; fails the test when there is nothing.
struct stat status_of(const std::string& path);

// `levels` directories named `name` inside each other below `top`, and a file "leaf" in the last.
void make_deep_tree(const std::string& top, const std::string& name, int levels);

// The code of the Error that `body` throws; fails the test when it throws none.
Code code_of(const std::function<void()>& body);

}  // namespace holdfast::test
