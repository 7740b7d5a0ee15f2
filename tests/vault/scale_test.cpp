// The index of a large vault by simulation: what memory a chunk costs. Times are printed, not
// tested. HOLDFAST_SCALE=full runs it with 100 million chunks instead of 5 million.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

#include "os/clock.h"
#include "os/file.h"
#include "store/wrappers.h"
#include "support/temp_dir.h"
#include "vault/live_set.h"
#include "vault/seen_set.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kSegmentChunks = 4'000'000;
constexpr std::uint64_t kPackChunks = 256;
constexpr std::uint64_t kMarked = 2'500'000;  // half of them; when there are more, evenly spread
constexpr std::size_t kChunkSize = 36;

std::uint64_t total_chunks() {
  const char* scale = std::getenv("HOLDFAST_SCALE");
  return scale != nullptr && std::string_view(scale) == "full" ? 100'000'000 : 5'000'000;
}

// A field of /proc/self/status, in bytes.
std::uint64_t memory_field(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::uint64_t value = 0;
    if (word == name + ":" && status >> value) return value * 1024;
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

// What malloc and the stacks hold; the mapped index is the page cache's, not ours.
std::uint64_t own_memory() {
  ::malloc_trim(0);
  return memory_field("RssAnon");
}

class Timed {
 public:
  explicit Timed(std::string what) : what_(std::move(what)) {}
  ~Timed() {
    const Duration taken = system_clock().monotonic() - begin_;
    std::cout << "    " << what_ << ": " << format_duration(taken) << "\n";
  }

 private:
  std::string what_;
  Duration begin_ = system_clock().monotonic();
};

// Mixes a number so that its results look random and never repeat (the finaliser of SplitMix64).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The id of chunk `number`: its first eight bytes, big-endian, are `prefix`.
ChunkId id_with(std::uint64_t prefix) {
  ChunkId id;
  for (std::size_t word = 0; word < 3; ++word) {
    const std::uint64_t value = word == 0 ? prefix : mixed(prefix + word);
    for (std::size_t b = 0; b < 8; ++b) {
      id.bytes[8 * word + b] = static_cast<std::uint8_t>(value >> (56 - 8 * b));
    }
  }
  return id;
}

ChunkId id_of_chunk(std::uint64_t number) { return id_with(mixed(number)); }

// Writes the body of a segment with the chunks [first, first + count): each pack one frame.
void write_body(const std::string& path, std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint64_t> prefixes(count);
  for (std::uint64_t i = 0; i < count; ++i) prefixes[i] = mixed(first + i);
  std::sort(prefixes.begin(), prefixes.end());
  const auto packs = static_cast<std::uint32_t>((count + kPackChunks - 1) / kPackChunks);
  Bytes body;
  body.reserve(32 + 96 + packs * 80 + count * kChunkSize);
  WireWriter out(body);
  out.fixed(std::uint32_t{1});
  out.fixed(std::uint32_t{1});  // sessions
  out.fixed(packs);
  out.fixed(packs);  // frames
  out.fixed(count);
  out.fixed(std::uint64_t{0});  // covers and zero
  out.raw(Bytes(kSessionBlockSize, 1));
  for (std::uint32_t i = 0; i < packs; ++i) {
    out.raw(lcg_array<32>(first + i));
    out.fixed(std::uint64_t{1u << 20});
    out.fixed(std::uint64_t{0});  // class data and zero
  }
  for (std::uint32_t i = 0; i < packs; ++i) {
    for (const std::uint32_t word : {i, 0u, 8u, 1000u, 2560u, 0u}) out.fixed(word);
    out.fixed(std::uint64_t{i});
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    out.raw(id_with(prefixes[i]).bytes);
    out.fixed(static_cast<std::uint32_t>(i % packs));
    out.fixed(static_cast<std::uint32_t>(10 * (i / packs)));
    out.fixed(std::uint32_t{10});
  }
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
  write_full(fd.get(), body, path);
}

// A store that lists segments and must not be asked for one: the cache has them all.
class ListedStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Bytes get(std::string_view key) override {
    throw Error(Code::kInternal, "not cached: " + std::string(key));
  }
};

struct ScaleIndex : testing::Test {
  void SetUp() override {
    total = total_chunks();
    make_directories(directory / "index");
    Timed timed("write " + std::to_string(total / 1'000'000) + " million chunks");
    for (std::uint64_t first = 0; first < total; first += kSegmentChunks) {
      const SegmentName name = lcg_array<32>(first + 7);
      write_body(directory / ("index/" + to_hex(name)), first,
                 std::min(kSegmentChunks, total - first));
      memory.put(segment_key(name), as_bytes("x"));
    }
  }

  std::uint64_t total = 0;
  HeldClock clock;
  MemoryStore memory{clock};
  ListedStore store{memory};
  TempDir directory;
};

TEST_F(ScaleIndex, IndexAndLiveSetStayWithinTheirMemory) {
  std::shared_ptr<const Index> index;
  const std::uint64_t before = own_memory();
  {
    Timed timed("open");
    index = Index::load(store, test_ring(), directory.path());
  }
  ASSERT_EQ(index->chunks(), total);
  ASSERT_TRUE(index->problems().empty());
  EXPECT_LE(own_memory(), before + (8u << 20)) << "an index is mapped, not read";
  {
    Timed timed("check the first segment");
    index->segments()[0].check();
  }
  {
    Timed timed("1 million random look-ups, half of them in vain");
    Lcg lcg(1);
    const DoomSet no_doom;
    for (std::uint64_t i = 0; i < 500'000; ++i) {
      const std::uint64_t number = lcg.below(static_cast<std::uint32_t>(total));
      ASSERT_TRUE(index->contains(id_of_chunk(number), no_doom)) << number;
      ASSERT_FALSE(index->contains(id_of_chunk(total + number), no_doom)) << number;
    }
  }
  EXPECT_LE(own_memory(), before + (8u << 20));

  const std::uint64_t before_live = own_memory();
  const std::uint64_t step = total / kMarked;
  {
    LiveSet live(index);
    {
      Timed timed("mark 2.5 million chunks");
      for (std::uint64_t i = 0; i < total; i += step)
        live.add({id_of_chunk(i), 10, ChunkKind::kData});
    }
    EXPECT_EQ(live.count(), kMarked);
    EXPECT_TRUE(live.missing().empty());
    const std::uint64_t used = own_memory() - std::min(before_live, own_memory());
    std::cout << "    live set: " << static_cast<double>(8 * used) / static_cast<double>(total)
              << " bits a chunk\n";
    EXPECT_LE(used, total / 4 + (1u << 20)) << "more than 2 bits a chunk";
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      ASSERT_EQ(live.is_live(id_of_chunk(i)), i % step == 0);
    }
  }
  std::cout << "    peak with the mapped index: " << (memory_field("VmHWM") >> 20) << " MiB\n";
  EXPECT_LE(memory_field("VmHWM"), std::uint64_t{4} << 30);
}

TEST(Scale, SeenSetStaysWithinItsMemory) {
  const std::uint64_t ids = total_chunks() / 2;
  const std::uint64_t before = own_memory();
  SeenSet seen;
  {
    Timed timed("insert " + std::to_string(ids) + " ids");
    for (std::uint64_t i = 0; i < ids; ++i) ASSERT_TRUE(seen.insert(id_of_chunk(i)));
  }
  const std::uint64_t used = own_memory() - std::min(before, own_memory());
  std::cout << "    seen set: " << static_cast<double>(used) / static_cast<double>(ids)
            << " bytes an id\n";
  EXPECT_LE(used, ids * 44 + (8u << 20));
  EXPECT_LE(memory_field("VmHWM"), std::uint64_t{4} << 30);
  {
    Timed timed("look all of them up");
    for (std::uint64_t i = 0; i < ids; ++i) ASSERT_TRUE(seen.contains(id_of_chunk(i)));
  }
  EXPECT_FALSE(seen.contains(id_of_chunk(ids)));
  EXPECT_EQ(seen.size(), ids);
}

}  // namespace
}  // namespace holdfast
