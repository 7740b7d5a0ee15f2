// Files of ours in the age program, and its files in ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/throws.h"
#include "codec/age.h"
#include "codec/kdf.h"
#include "codec/random_data.h"
#include "codec/stream_support.h"
#include "os/file.h"
#include "os/process.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

class AgeProgram : public testing::Test {
 protected:
  AgeProgram() {
    run("age-keygen -o a.key 2> a.pub && age-keygen -o b.key 2> b.pub");
    a_ = identity("a.key");
    b_ = identity("b.key");
  }
  ProcessResult try_run(const std::string& line) const {
    ProcessOptions options;
    options.argv = {"sh", "-c", line};
    options.working_directory = directory_.path();
    return run_process(options);
  }
  void run(const std::string& line) const {
    const ProcessResult result = try_run(line);
    ASSERT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
  }
  Key identity(const std::string& file) const {
    return parse_age_identities(as_text(read_file(directory_ / file))).at(0);
  }
  Bytes seal(ByteView plain) const {
    Bytes file;
    AgeWriter writer({public_key_of(a_), public_key_of(b_)}, into(file));
    pump(writer, plain);
    return file;
  }

  const TempDir directory_;
  Key a_{};
  Key b_{};
};

TEST_F(AgeProgram, OurRecipientIsTheirs) {
  const std::string text(as_text(read_file(directory_ / "a.pub")));
  EXPECT_THAT(text, testing::HasSubstr(age_recipient_text(public_key_of(a_))));
}

TEST_F(AgeProgram, BothDirectionsInAllSizes) {
  for (const std::size_t size : {0, 1, 65'536, 65'537, 131'072, 1'000'000}) {
    const Bytes plain = lcg_bytes(size, size);
    write_file_atomic(directory_ / "ours.age", seal(plain));
    for (const char* key : {"a.key", "b.key"}) {
      run(std::string("age -d -i ") + key + " ours.age > plain");
      EXPECT_EQ(read_file(directory_ / "plain"), plain) << size;
    }
    run("age -r " + age_recipient_text(public_key_of(b_)) + " -r " +
        age_recipient_text(public_key_of(a_)) + " -o theirs.age plain");
    Bytes opened;
    AgeReader reader({a_}, into(opened));
    pump(reader, read_file(directory_ / "theirs.age"));
    EXPECT_EQ(opened, plain) << size;
  }
}

// What we refuse they refuse too, so that the test of our refusals is about the right things.
TEST_F(AgeProgram, BothRefuseWhatWasAltered) {
  const Bytes good = seal(lcg_bytes(131'072, 1));
  constexpr std::size_t kSealed = 65'536 + 16;
  const std::size_t begin = good.size() - 2 * kSealed;
  Bytes cut(good.begin(), good.end() - kSealed);
  Bytes longer = good;
  longer.push_back(0);
  Bytes swapped(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(begin));
  append(swapped, ByteView(good).last(kSealed));
  append(swapped, ByteView(good).subspan(begin, kSealed));
  for (const Bytes& file : {cut, longer, swapped}) {
    write_file_atomic(directory_ / "bad.age", file);
    EXPECT_NE(try_run("age -d -i a.key -o plain bad.age").exit_code, 0);
    Bytes opened;
    EXPECT_EQ(thrown_by([&] {
                AgeReader reader({a_}, into(opened));
                pump(reader, file);
              }),
              Code::kCorrupt);
  }
}

}  // namespace
}  // namespace holdfast
