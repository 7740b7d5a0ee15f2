// Somebody whom rights mean something to, which is not so for root.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <functional>
#include <thread>

namespace holdfast {

// Runs `test` in a thread that is such a user's.
inline void as_ordinary_user(const std::function<void()>& test) {
  std::jthread thread([&] {
    constexpr uid_t kNobody = 65534;
    // The bare system call changes this thread only.
    if (::geteuid() == 0) {
      ASSERT_EQ(::syscall(SYS_setresuid, kNobody, kNobody, kNobody), 0);
    }
    test();
  });
}

}  // namespace holdfast
