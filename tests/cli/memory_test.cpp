// How much memory commands need. Apart, since a sanitizer keeps no such limit.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/support.h"

namespace holdfast {
namespace {

// The most memory, in KiB, of the program when it writes to nowhere.
long memory_of(std::vector<std::string> words) {
  words.insert(words.begin(), HOLDFAST_BINARY);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO) >= 0) ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  struct rusage usage {};
  EXPECT_EQ(::wait4(child, &status, 0, &usage), child);
  EXPECT_EQ(status, 0);
  return usage.ru_maxrss;
}

TEST(Memory, ShowNeedsNoneForItsDocument) {
  const Workshop shop;
  shop.init();
  shop.write("data/a", "a");
  for (int i = 0; i < 8000; ++i) {
    ASSERT_EQ(::symlink("x", (shop / ("data/" + std::to_string(i))).c_str()), 0);
  }
  std::vector<std::string> words{"show",         shop.backup(), "-r",        "--vault",
                                 shop / "vault", "--key-file",  shop / "key"};
  const long text = memory_of(words);
  words.emplace_back("--json");
  EXPECT_LT(memory_of(words), text + 6000);
}

}  // namespace
}  // namespace holdfast
