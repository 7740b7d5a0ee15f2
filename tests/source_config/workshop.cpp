#include "workshop.h"

#include <stdlib.h>

#include <filesystem>

#include "os/file.h"
#include "os/process.h"

namespace holdfast {

namespace fs = std::filesystem;

Workshop::Workshop() {
  std::string path = testing::TempDir() + "holdfast-config-XXXXXX";
  root_ = fs::canonical(::mkdtemp(path.data())).string();
}

Workshop::~Workshop() { fs::remove_all(root_); }

std::string Workshop::at(const std::string& relative) const { return root_ + "/" + relative; }

std::string Workshop::write(const std::string& relative, const std::string& text) const {
  const std::string path = at(relative);
  fs::create_directories(fs::path(path).parent_path());
  write_file_atomic(path, as_bytes(text));
  return path;
}

std::string Workshop::read(const std::string& relative) const {
  const Bytes data = read_file(at(relative));
  return std::string(as_text(data));
}

bool Workshop::exists(const std::string& relative) const { return path_exists(at(relative)); }

std::string Workshop::git(const std::string& directory,
                          const std::vector<std::string>& arguments) const {
  ProcessOptions options;
  options.argv = {"git", "-c", "safe.directory=*", "-c", "protocol.file.allow=always"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.working_directory = directory;
  options.environment = {{"GIT_CONFIG_GLOBAL", "/dev/null"},
                         {"GIT_CONFIG_NOSYSTEM", "1"},
                         {"GIT_AUTHOR_NAME", "A"},
                         {"GIT_AUTHOR_EMAIL", "a@example.org"},
                         {"GIT_AUTHOR_DATE", "2025-11-10T12:00:00Z"},
                         {"GIT_COMMITTER_NAME", "C"},
                         {"GIT_COMMITTER_EMAIL", "c@example.org"},
                         {"GIT_COMMITTER_DATE", "2025-11-10T12:00:00Z"}};
  ProcessResult result = run_process(options);
  EXPECT_EQ(result.exit_code, 0) << arguments.front() << ": " << result.error_output;
  while (result.output.ends_with('\n')) result.output.pop_back();
  return result.output;
}

std::string Workshop::make_repository(const std::string& relative) const {
  const std::string path = at(relative);
  fs::create_directories(path);
  git(path, {"init", "--quiet", "--initial-branch=main"});
  commit(path, "first\n");
  return path;
}

void Workshop::commit(const std::string& repository, const std::string& text) const {
  write_file_atomic(repository + "/file", as_bytes(text));
  git(repository, {"add", "file"});
  git(repository, {"commit", "--quiet", "-m", text});
}

}  // namespace holdfast
