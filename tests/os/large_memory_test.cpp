#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

#include "base/bytes.h"

namespace holdfast {
namespace {

// Of all sizes at once, so that none gets another's memory again.
TEST(LargeMemory, BeginsAtACacheLine) {
  std::vector<Bytes> held;
  for (std::size_t size = 16U << 10; size <= 64U << 20; size = size * 3 / 2) {
    const Bytes& bytes = held.emplace_back(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64, 0U) << size;
  }
}

TEST(LargeMemory, ThatCannotBeHadIsAnError) {
  const auto ask = [](std::size_t size) { ::operator delete(::operator new(size)); };
  ask(0);
  EXPECT_THROW(ask(std::numeric_limits<std::size_t>::max() - 8), std::bad_alloc);
  EXPECT_THROW(ask(std::numeric_limits<std::size_t>::max() / 2), std::bad_alloc);
}

}  // namespace
}  // namespace holdfast
