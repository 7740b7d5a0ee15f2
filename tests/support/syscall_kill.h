// Death between any two system calls, for crash sweeps of what writes into a file system.
#pragma once

#include <cstdint>
#include <functional>

namespace holdfast {

// Runs `work` in a child process that is killed right before its system call number `at` (from 1,
// over all threads and children) that can change a file system. False when `work` ended first; the
// test fails when it threw. Linux on x86-64 or arm64.
bool killed_at_change(const std::function<void()>& work, std::uint64_t at);

}  // namespace holdfast
