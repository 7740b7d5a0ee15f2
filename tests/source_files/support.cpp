#include "support.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>

#include "base/path.h"

namespace holdfast::test {

Scratch::Scratch() {
  path_ = (std::filesystem::temp_directory_path() / "holdfast-files-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) throw system_error(errno, "mkdtemp");
  ::chmod(path_.c_str(), 0755);
}

Scratch::~Scratch() {
  try {
    Target(std::string("/") + std::string(parent_path(stored())), false, {})
        .remove_tree(base_name(path_));
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

std::string Scratch::directory(std::string_view relative) const {
  make_directories(at(relative));
  return at(relative);
}

std::string Scratch::file(std::string_view relative, std::string_view content) const {
  directory(parent_path(relative));
  const std::string path = at(relative);
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  write_full(fd.get(), as_bytes(content), path);
  return path;
}

bool is_root() { return ::geteuid() == 0; }

void in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      body();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "in a child, status " << status;
}

void as_nobody(const std::function<void()>& body) {
  in_child([&] {
    constexpr unsigned kNobody = 65534;
    if (is_root()) {
      ASSERT_EQ(::setgroups(0, nullptr), 0);
      ASSERT_EQ(::setgid(kNobody), 0);
      ASSERT_EQ(::setuid(kNobody), 0);
    }
    body();
  });
}

void without_openat2(const std::function<void()>& body) {
  in_child([&] {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    ASSERT_EQ(::syscall(SYS_openat2, AT_FDCWD, "/", nullptr, 0), -1);
    ASSERT_EQ(errno, ENOSYS);
    body();
  });
}

Walked walked(const WalkOptions& options) {
  Walked result;
  walk(
      options,
      [&](WalkItem&& item) {
        (item.ancestor ? result.ancestors : result.paths).push_back(std::move(item.path));
      },
      [&](const std::string& path, const Error& error) {
        result.warned.push_back(path);
        result.warnings.push_back(error);
      },
      {});
  return result;
}

bool set_xattr(const std::string& path, const std::string& name, std::string_view value) {
  if (::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return true;
  EXPECT_EQ(errno, EOPNOTSUPP) << path << " " << name;
  return false;
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

std::string text_of(const std::string& path) { return std::string(as_text(read_file(path))); }

void make_deep_tree(const std::string& top, const std::string& name, int levels) {
  Fd fd = open_file(top, O_PATH | O_DIRECTORY);
  for (int i = 0; i < levels; ++i) {
    ASSERT_EQ(::mkdirat(fd.get(), name.c_str(), 0755), 0);
    fd = Fd(::openat(fd.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  const Fd leaf(::openat(fd.get(), "leaf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(leaf.valid());
  write_full(leaf.get(), as_bytes("deep"), "leaf");
}

Code code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::kInternal;
}

}  // namespace holdfast::test
