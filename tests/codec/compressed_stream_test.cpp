// gzip and zstd streams, also against the programs of these names.
#include <gtest/gtest.h>

#include "base/throws.h"
#include "codec/gzip.h"
#include "codec/random_data.h"
#include "codec/stream_support.h"
#include "codec/zstd_stream.h"
#include "os/file.h"
#include "os/process.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

// Half noise, half repetition: back references reach over blocks.
Bytes half_noise(std::size_t size) {
  const Bytes noise = lcg_bytes(20'000, 1);
  Bytes data;
  while (data.size() < size) {
    append(data, noise);
    append(data, lcg_bytes(5'000, data.size()));
  }
  data.resize(size);
  return data;
}

Bytes gzipped(ByteView data, unsigned threads = 2, std::size_t piece = 10'007) {
  Bytes out;
  GzipWriter writer(kDefaultGzipLevel, threads, into(out));
  pump(writer, data, piece);
  return out;
}

Bytes gunzipped(ByteView data, std::size_t piece = 10'007) {
  Bytes out;
  GzipReader reader(into(out));
  pump(reader, data, piece);
  return out;
}

Bytes zstded(ByteView data, unsigned threads = 2) {
  Bytes out;
  ZstdWriter writer(kDefaultZstdLevel, threads, into(out));
  pump(writer, data);
  return out;
}

Bytes unzstded(ByteView data, std::size_t piece = 10'007) {
  Bytes out;
  ZstdReader reader(into(out));
  pump(reader, data, piece);
  return out;
}

constexpr std::size_t kSizes[] = {0, 1, 524'287, 524'288, 524'289, 1'048'576, 3'000'000};

// What a program writes to its standard output for `data` as its input file.
Bytes through(const std::vector<std::string>& command, ByteView data) {
  const TempDir directory;
  write_file_atomic(directory / "in", data);
  ProcessOptions options;
  options.argv = {"sh", "-c", "\"$@\" < in > out", "sh"};
  options.argv.insert(options.argv.end(), command.begin(), command.end());
  options.working_directory = directory.path();
  const ProcessResult result = run_process(options);
  EXPECT_EQ(result.exit_code, 0) << command[0] << ": " << result.error_output;
  return read_file(directory / "out");
}

TEST(Gzip, RoundTrips) {
  for (const std::size_t size : kSizes) {
    const Bytes data = half_noise(size);
    const Bytes packed = gzipped(data);
    EXPECT_EQ(gunzipped(packed), data) << size;
    EXPECT_EQ(gunzipped(packed, 3), data) << size;
  }
}

TEST(Gzip, DoesNotDependOnThreadsOrPieces) {
  const Bytes data = half_noise(3'000'000);
  const Bytes packed = gzipped(data, 1);
  EXPECT_EQ(gzipped(data, 4), packed);
  EXPECT_EQ(gzipped(data, 4, 1'000'000), packed);
  EXPECT_LT(packed.size(), data.size() / 2);
}

TEST(Gzip, TheProgramReadsIt) {
  for (const std::size_t size : kSizes) {
    const Bytes data = half_noise(size);
    const Bytes packed = gzipped(data);
    through({"gzip", "-t"}, packed);
    EXPECT_EQ(through({"gunzip"}, packed), data) << size;
  }
}

TEST(Gzip, ReadsTheProgramAndSeveralMembers) {
  const Bytes data = half_noise(700'000);
  Bytes packed = through({"gzip", "-9"}, data);
  EXPECT_EQ(gunzipped(packed), data);
  append(packed, gzipped(as_bytes("more")));
  append(packed, gzipped({}));
  Bytes both = data;
  append(both, as_bytes("more"));
  EXPECT_EQ(gunzipped(packed, 11), both);
}

TEST(Gzip, DamageIsNoticed) {
  const Bytes data = half_noise(30'000);
  Bytes packed = gzipped(data);
  for (std::size_t size = 0; size < packed.size(); size += size < 40 ? 1 : 501) {
    EXPECT_EQ(thrown_by([&] { gunzipped(ByteView(packed).first(size)); }), Code::kCorrupt) << size;
  }
  int noticed = 0;
  for (std::size_t i = 10; i < packed.size(); i += 101) {
    packed[i] ^= 0x10;
    const auto code = thrown_by([&] { EXPECT_EQ(gunzipped(packed), data) << i; });
    EXPECT_EQ(code.value_or(Code::kCorrupt), Code::kCorrupt) << i;
    if (code) ++noticed;
    packed[i] ^= 0x10;
  }
  // A few bits are padding, in front of what could not be compressed.
  EXPECT_GT(noticed, static_cast<int>(packed.size() / 101) - 5);
  packed.push_back('x');
  EXPECT_EQ(thrown_by([&] { gunzipped(packed); }), Code::kCorrupt);
}

TEST(Zstd, RoundTripsAlsoThroughTheProgram) {
  for (const std::size_t size : kSizes) {
    const Bytes data = half_noise(size);
    for (const unsigned threads : {1u, 2u}) {
      const Bytes packed = zstded(data, threads);
      EXPECT_EQ(unzstded(packed), data) << size;
      EXPECT_EQ(unzstded(packed, 3), data) << size;
      EXPECT_EQ(through({"zstd", "-dc"}, packed), data) << size;
    }
    EXPECT_EQ(unzstded(through({"zstd", "-19", "-c"}, data)), data) << size;
  }
}

TEST(Zstd, ReadsSeveralFrames) {
  Bytes packed = zstded(as_bytes("one"));
  append(packed, zstded({}));
  append(packed, zstded(as_bytes("two")));
  EXPECT_EQ(as_text(unzstded(packed)), "onetwo");
}

TEST(Zstd, DamageIsNoticed) {
  Bytes packed = zstded(half_noise(30'000));
  for (std::size_t size = 0; size < packed.size(); size += size < 40 ? 1 : 501) {
    EXPECT_EQ(thrown_by([&] { unzstded(ByteView(packed).first(size)); }), Code::kCorrupt) << size;
  }
  for (std::size_t i = 0; i < packed.size(); i += 101) {
    packed[i] ^= 0x10;
    EXPECT_EQ(thrown_by([&] { unzstded(packed); }), Code::kCorrupt) << i;
    packed[i] ^= 0x10;
  }
}

}  // namespace
}  // namespace holdfast
