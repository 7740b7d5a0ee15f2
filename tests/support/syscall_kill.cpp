#include "support/syscall_kill.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <vector>

namespace holdfast {
namespace {

constexpr long kChanges[] = {
    SYS_openat2,   SYS_mkdirat,   SYS_linkat,    SYS_symlinkat, SYS_mknodat,
    SYS_renameat2, SYS_unlinkat,  SYS_pwrite64,  SYS_write,     SYS_ftruncate,
    SYS_fallocate, SYS_fchown,    SYS_fchownat,  SYS_fchmod,    SYS_fchmodat,
    SYS_utimensat, SYS_fsetxattr, SYS_lsetxattr, SYS_setxattr,  SYS_renameat,
#ifdef SYS_rename  // x86-64 has each of them twice, and its C library uses these
    SYS_rename,    SYS_mkdir,     SYS_unlink,    SYS_rmdir,     SYS_symlink,
    SYS_link,      SYS_chmod,     SYS_chown,     SYS_lchown,
#endif
};

// From here on, each of those calls stops for the tracer.
void stop_at_changes() {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long number : kChanges) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    throw std::runtime_error("seccomp is refused");
  }
}

[[noreturn]] void be_traced(const std::function<void()>& work) {
  try {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
      throw std::runtime_error("ptrace is refused");
    }
    ::raise(SIGSTOP);  // until the tracer has set its options
    stop_at_changes();
    work();
  } catch (const std::exception& error) {
    fmt::print(stderr, "in a child: {}\n", error.what());
    ::_exit(2);
  }
  ::_exit(0);
}

// What a stopped thread is to be given when it goes on: nothing for the tracer's own stops.
long signal_for(int status) {
  const int signal = WSTOPSIG(status);
  return status >> 16 != 0 || signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

}  // namespace

bool killed_at_change(const std::function<void()>& work, std::uint64_t at) {
  const pid_t child = ::fork();
  if (child == 0) be_traced(work);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (!WIFSTOPPED(status)) {
    ADD_FAILURE() << "the child cannot be traced";
    return false;
  }
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
           PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
               PTRACE_O_TRACESECCOMP);
  ::ptrace(PTRACE_CONT, child, nullptr, nullptr);
  std::uint64_t changes = 0;
  for (;;) {
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0) break;
    if (thread == child && !WIFSTOPPED(status)) break;
    if (!WIFSTOPPED(status)) continue;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && ++changes == at) {
      ::kill(child, SIGKILL);
      continue;
    }
    ::ptrace(PTRACE_CONT, thread, nullptr, signal_for(status));
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return false;
}

}  // namespace holdfast
