#include "os/shared_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

constexpr SharedLibrary kMath{"libm.so.6", "libc6"};
constexpr SharedLibrary kAbsent{"libholdfast-absent.so.1", "holdfast-absent"};

TEST(SharedLibrary, AFunctionIsCalledAsIfItWereLinked) {
  const LibraryFunction<double(double)> floor{kMath, "floor"};
  EXPECT_EQ(floor(3.5), 3.0);
  EXPECT_EQ(floor(-3.5), -4.0);
}

TEST(SharedLibrary, AnAbsentLibraryIsNamedWithItsPackage) {
  const LibraryFunction<int()> function{kAbsent, "anything"};
  try {
    function();
    FAIL() << "a library that is not there was loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("libholdfast-absent.so.1"));
    EXPECT_THAT(error.hint(), HasSubstr("holdfast-absent"));
  }
}

TEST(SharedLibrary, AnAbsentFunctionIsNamed) {
  const LibraryFunction<int()> function{kMath, "holdfast_absent"};
  try {
    function();
    FAIL() << "a function that is not there was found";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("holdfast_absent"));
  }
}

}  // namespace
}  // namespace holdfast
