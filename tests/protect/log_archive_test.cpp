// Files of a log go in once, whatever fails on the way, and come back whole or in pieces.
#include "protect/log_archive.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "os/file.h"
#include "protect/copy.h"
#include "protect/log_listing.h"
#include "protect/replica.h"
#include "protect/world.h"
#include "source/postgres/wal_file.h"
#include "store/expect_error.h"
#include "support/fault_store.h"
#include "support/locking_store.h"

namespace holdfast::test {
namespace {

constexpr std::uint32_t kMiB = 1u << 20;

Bytes content_of(std::uint64_t seed, std::size_t size = 1000) {
  std::mt19937_64 random(seed);
  return to_bytes(as_bytes(noise(random, size)));
}

LogName file_name(const std::string& file, const std::string& stream = "7301") {
  return {"db", stream, file, {}};
}
LogName segment(std::uint64_t number, std::uint32_t timeline = 1) {
  return file_name(WalSegment{timeline, number}.name(kMiB));
}
LogName piece(const LogName& whole, std::uint32_t begin, std::uint32_t end) {
  LogName name = whole;
  name.piece = LogPiece{begin, end};
  return name;
}

class LogArchive : public ::testing::Test {
 protected:
  void store_piece(const LogName& whole, const Bytes& content, std::uint32_t begin,
                   std::uint32_t end) {
    store_log(*vault_, piece(whole, begin, end), ByteView(content).subspan(begin, end - begin));
  }
  void store_segments(std::initializer_list<std::uint64_t> numbers, std::uint32_t timeline = 1) {
    for (const std::uint64_t number : numbers) {
      store_log(*vault_, segment(number, timeline), Bytes(kMiB));
    }
  }
  std::unique_ptr<Vault> open(ObjectStore& store, Role role = Role::kRestorer) {
    return Vault::open(store, clock_, ring_.restricted_to(role), "");
  }

  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
};

TEST_F(LogArchive, SameBytesAgainAreFineAndWriteNothing) {
  const auto writer = open(store_, Role::kWriter);
  EXPECT_TRUE(store_log(*writer, segment(3), content_of(1), R"({"a":1})"));
  const Objects before = objects_of(store_);
  EXPECT_FALSE(store_log(*writer, segment(3), content_of(1), R"({"a":2})"));
  EXPECT_EQ(objects_of(store_), before);
  EXPECT_EQ(read_log_header(store_, ring_, segment(3)).facts, R"({"a":1})");
}

TEST_F(LogArchive, OtherBytesUnderTheSameNameAreAConflict) {
  store_log(*vault_, segment(3), content_of(1));
  const Objects before = objects_of(store_);
  for (const Bytes& other : {content_of(2), content_of(1, 999), Bytes{}}) {
    const auto error = error_of([&] { store_log(*vault_, segment(3), other); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kConflict);
    EXPECT_NE(error->message().find(segment(3).key()), std::string::npos);
    EXPECT_NE(error->hint().find("--source"), std::string::npos);
  }
  EXPECT_EQ(objects_of(store_), before);
}

TEST_F(LogArchive, ADamagedObjectIsNotTakenForTheSame) {
  store_log(*vault_, segment(3), content_of(1));
  Bytes bad = store_.get(segment(3).key());
  bad[150] ^= 1;
  store_.put(segment(3).key(), bad);
  expect_error(Code::kCorrupt, [&] { store_log(*vault_, segment(3), content_of(1)); });
  expect_error(Code::kCorrupt, [&] { read_log(*vault_, segment(3)); });
}

// Every call to the store fails once, in each way; then the same is tried again, as PostgreSQL
// does. Never is a success reported that is none, and never does the second attempt fail.
TEST_F(LogArchive, NothingIsLostWhicheverOperationFails) {
  const Bytes content = content_of(1);
  std::uint64_t failures = 0;
  for (const bool there : {false, true}) {
    for (const Fault fault :
         {Fault::kErrorBefore, Fault::kErrorAfter, Fault::kTruncate, Fault::kNoSpace}) {
      for (std::uint64_t at = 1;; ++at) {
        MemoryStore inner(clock_);
        tiny_vault(inner, clock_, ring_);
        const auto plan = std::make_shared<FaultPlan>();
        FaultStore faulty(inner, plan);
        const auto vault = open(faulty, Role::kWriter);
        if (there) store_log(*vault, segment(3), content);
        plan->arm(plan->operations() + at, fault);
        bool stored = true;
        try {
          store_log(*vault, segment(3), content);
        } catch (const Error& error) {
          stored = false;
          ++failures;
          EXPECT_NE(error.code(), Code::kConflict) << error.what();
        }
        if (!plan->fired()) break;
        plan->disarm();
        const auto reader = open(inner);
        if (stored) {
          EXPECT_EQ(read_log(*reader, segment(3))->bytes, content);
        }
        store_log(*vault, segment(3), content);
        EXPECT_EQ(read_log(*reader, segment(3))->bytes, content);
      }
    }
  }
  EXPECT_GT(failures, 5u);
}

// A failing store is an error, and never "no such file".
TEST_F(LogArchive, AFailingStoreIsNeverTakenForAMissingFile) {
  store_log(*vault_, segment(3), content_of(1));
  store_piece(segment(4), content_of(2), 0, 500);
  store_piece(segment(4), content_of(2), 500, 1000);
  std::uint64_t failures = 0;
  for (const LogName& name : {segment(3), segment(4), segment(5)}) {
    for (const Fault fault : {Fault::kErrorBefore, Fault::kErrorAfter, Fault::kTruncate}) {
      for (std::uint64_t at = 1;; ++at) {
        const auto plan = std::make_shared<FaultPlan>();
        FaultStore faulty(store_, plan);
        const auto vault = open(faulty);
        plan->arm(plan->operations() + at, fault);
        try {
          const auto file = read_log(*vault, name);
          EXPECT_EQ(file.has_value(), name != segment(5));
        } catch (const Error&) {
          ++failures;
        }
        if (!plan->fired()) break;
      }
    }
  }
  EXPECT_GT(failures, 10u);
}

TEST_F(LogArchive, AVaultThatIsGoneIsNotAnEmptyOne) {
  store_.remove("holdfast.json");
  expect_error(Code::kUnavailable, [&] { read_log(*vault_, segment(3)); });
}

TEST_F(LogArchive, FilesComeBackWhole) {
  const std::string path = files_ / "RECOVERYXLOG";
  EXPECT_FALSE(fetch_log(*vault_, segment(3), path));
  EXPECT_FALSE(path_exists(path));
  store_log(*vault_, segment(3), content_of(1));
  const auto fetched = fetch_log(*vault_, segment(3), path);
  ASSERT_TRUE(fetched);
  EXPECT_TRUE(fetched->whole);
  EXPECT_EQ(fetched->size, 1000u);
  EXPECT_EQ(read_file(path), content_of(1));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(files_.path()), {}), 1);
  expect_error(Code::kDenied, [&] { read_log(*open(store_, Role::kWriter), segment(3)); });
}

TEST_F(LogArchive, PiecesAreTheFileAsFarAsTheyReach) {
  const Bytes content = content_of(1);
  store_piece(segment(3), content, 0, 400);
  store_piece(segment(3), content, 300, 600);  // overlaps
  store_piece(segment(3), content, 0, 200);    // covered
  const std::string path = files_ / "file";
  const auto start = [&](std::size_t size) { return to_bytes(ByteView(content).first(size)); };
  auto fetched = fetch_log(*vault_, segment(3), path);
  ASSERT_TRUE(fetched);
  EXPECT_FALSE(fetched->whole);
  EXPECT_FALSE(fetched->gap);
  EXPECT_EQ(read_file(path), start(600));
  store_piece(segment(3), content, 700, 1000);
  fetched = fetch_log(*vault_, segment(3), path, [](ByteView) { return std::uint64_t{1024}; });
  EXPECT_TRUE(fetched->gap);
  EXPECT_EQ(fetched->size, 1024u);
  Bytes padded = start(600);
  padded.resize(1024);
  EXPECT_EQ(read_file(path), padded);
  // The whole file comes first, and is not padded.
  store_log(*vault_, segment(3), content);
  fetched = fetch_log(*vault_, segment(3), path, [](ByteView) { return std::uint64_t{1024}; });
  EXPECT_TRUE(fetched->whole);
  EXPECT_EQ(read_file(path), content);
}

TEST_F(LogArchive, PiecesWithoutAStartAreNotAMissingFile) {
  store_piece(segment(3), content_of(1), 100, 400);
  expect_error(Code::kCorrupt, [&] { read_log(*vault_, segment(3)); });
}

TEST_F(LogArchive, APieceOfAnotherLengthThanItsNameSaysIsCorrupt) {
  store_log(*vault_, piece(segment(3), 0, 500), content_of(1, 400));
  expect_error(Code::kCorrupt, [&] { read_log(*vault_, segment(3)); });
}

// Whoever streams removes the pieces right when somebody reads them.
TEST_F(LogArchive, PiecesThatBecomeTheWholeWhileTheyAreRead) {
  const Bytes content = content_of(1);
  for (std::uint64_t at = 1; at <= 4; ++at) {
    MemoryStore inner(clock_);
    const auto writer = tiny_vault(inner, clock_, ring_);
    for (const auto& [begin, end] : {std::pair{0u, 500u}, std::pair{500u, 1000u}}) {
      store_log(*writer, piece(segment(3), begin, end),
                ByteView(content).subspan(begin, end - begin));
    }
    const auto plan = std::make_shared<FaultPlan>();
    FaultStore watched(inner, plan);
    const auto vault = open(watched);
    const std::uint64_t before = plan->operations();
    bool changed = false;
    plan->on_operation([&](std::uint64_t number, Operation, std::string_view) {
      if (number != before + at || changed) return;
      changed = true;
      store_log(*writer, segment(3), content);
      EXPECT_EQ(remove_log_pieces(*writer, segment(3)), 2u);
    });
    EXPECT_EQ(read_log(*vault, segment(3))->bytes, content) << at;
    EXPECT_TRUE(changed) << at;
  }
}

TEST_F(LogArchive, PiecesGoWhenTheWholeIsThereAndStayBefore) {
  store_piece(segment(3), content_of(1), 0, 400);
  store_piece(segment(3), content_of(1), 400, 500);
  store_log(*vault_, file_name(segment(3).file + ".partial"), content_of(1));
  EXPECT_EQ(remove_log_pieces(*vault_, segment(3)), 0u);
  EXPECT_EQ(list_objects(store_, "log/").size(), 3u);
  store_log(*vault_, segment(3), content_of(1));
  EXPECT_EQ(remove_log_pieces(*vault_, segment(3)), 2u);
  EXPECT_EQ(list_objects(store_, "log/").size(), 2u);
}

TEST_F(LogArchive, LockedPiecesStay) {
  LockingStore locking(store_, clock_, Duration{});
  const auto vault = open(locking);
  store_piece(segment(3), content_of(1), 0, 400);
  store_piece(segment(3), content_of(1), 400, 500);
  store_log(*vault_, segment(3), content_of(1));
  locking.lock_until(piece(segment(3), 0, 400).key(), clock_.now() + std::chrono::hours(1));
  EXPECT_EQ(remove_log_pieces(*vault, segment(3)), 1u);
  EXPECT_TRUE(store_.stat(piece(segment(3), 0, 400).key()));
  ReadOnlyStore denied(store_);
  EXPECT_EQ(remove_log_pieces(*open(denied), segment(3)), 0u);
}

TEST_F(LogArchive, AnotherServerUnderTheSameNameIsRefused) {
  check_log_stream(store_, "db", "7301");  // the first one
  store_log(*vault_, segment(3), content_of(1));
  check_log_stream(store_, "db", "7301");
  check_log_stream(store_, "db2", "7302");
  const auto error = error_of([&] { check_log_stream(store_, "db", "7302"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kConflict);
  EXPECT_NE(error->message().find("7301"), std::string::npos);
  EXPECT_NE(error->message().find("7302"), std::string::npos);
  store_log(*vault_, file_name("x", "7302"), {});
  check_log_stream(store_, "db", "7302");  // taken on purpose
}

TEST_F(LogArchive, ListingNamesSpansGapsAndPieces) {
  store_segments({0xFFE, 0xFFF, 0x1000, 0x1003, 0x1004, 0x1008});
  store_segments({0x1004, 0x1005}, 2);
  const Bytes content(kMiB);
  store_piece(segment(0x1005), content, 0, kMiB / 2);  // complete, hence held
  store_piece(segment(0x1005), content, kMiB / 2, kMiB);
  store_piece(segment(0x1006), content, 0, 100);
  store_piece(segment(0x1006), content, 200, 300);
  store_log(*vault_, file_name("00000002.history"), {});
  store_log(*vault_, file_name("x", "999"), {});
  const auto streams = list_log(*open(store_, Role::kOperator), "db");
  ASSERT_EQ(streams.size(), 2u);
  const LogStream& stream = streams[0];
  EXPECT_EQ(stream.stream, "7301");
  EXPECT_EQ(stream.segment_size, kMiB);
  EXPECT_EQ(stream.objects, 13u);
  EXPECT_EQ(stream.others, std::vector<std::string>{"00000002.history"});
  ASSERT_EQ(stream.timelines.size(), 2u);
  const LogTimeline& first = stream.timelines[0];
  ASSERT_EQ(first.held.size(), 3u);
  EXPECT_EQ(first.held[0].first, "000000010000000000000FFE");
  EXPECT_EQ(first.held[0].last, "000000010000000100000000");
  EXPECT_EQ(first.held[0].segments, 3u);
  EXPECT_EQ(first.held[1].last, segment(0x1005).file);
  EXPECT_EQ(first.held[1].segments, 3u);
  EXPECT_EQ(first.held[2].first, segment(0x1008).file);
  ASSERT_EQ(first.gaps.size(), 2u);
  EXPECT_EQ(first.gaps[0].first, "000000010000000100000001");
  EXPECT_EQ(first.gaps[0].last, "000000010000000100000002");
  EXPECT_EQ(first.gaps[0].segments, 2u);
  EXPECT_EQ(first.gaps[1].segments, 2u);
  ASSERT_EQ(first.partial.size(), 1u);
  EXPECT_EQ(first.partial[0].name, segment(0x1006).file);
  EXPECT_EQ(first.partial[0].reach, 100u);
  EXPECT_EQ(first.partial[0].pieces, 2u);
  EXPECT_EQ(stream.timelines[1].timeline, 2u);
  EXPECT_TRUE(stream.timelines[1].gaps.empty());
  EXPECT_EQ(streams[1].segment_size, kWalSegmentSize);
}

TEST_F(LogArchive, APruneLeavesTheLogAndTheRestOfTheVaultIsSound) {
  store_segments({1, 2});
  const Objects log = objects_of(store_);
  std::mt19937_64 random(1);
  make_small_tree(files_ / "src", random);
  const Kept kept = keep_backup(*vault_, job_of(files_ / "src"), files_ / "src");
  store_.remove(kept.name.key());
  for (int i = 0; i < 3; ++i) {
    prune_now(*vault_);
    clock_.advance(std::chrono::hours(48));
  }
  EXPECT_TRUE(list_objects(store_, "data/").empty());
  for (const auto& [key, bytes] : log) {
    if (!key.starts_with("log/")) continue;
    EXPECT_EQ(store_.get(key), bytes);
  }
  const ValidateResult result = validate_all(*vault_);
  EXPECT_TRUE(result.sound()) << findings_of(result);
  EXPECT_TRUE(list_backups(store_).empty());
}

TEST_F(LogArchive, ACopyHasTheLogBeforeTheBackups) {
  store_segments({1, 2});
  std::mt19937_64 random(1);
  make_small_tree(files_ / "src", random);
  const Kept kept = keep_backup(*vault_, job_of(files_ / "src"), files_ / "src");
  MemoryStore to(clock_);
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(to, plan);
  int looked = 0;
  plan->on_operation([&](std::uint64_t, Operation, std::string_view) {
    if (!to.stat(kept.name.key())) return;
    ++looked;
    EXPECT_TRUE(to.stat(segment(1).key()) && to.stat(segment(2).key()));
  });
  CopyProgress progress;
  copy_vault(store_, watched, {.verify = true, .threads = 1}, progress, {});
  EXPECT_GT(looked, 0);
  EXPECT_EQ(objects_of(to), objects_of(store_));
  EXPECT_EQ(measure_replica(store_, to, clock_.now()).missing_objects, 0u);
  // Found and healed when it is changed there.
  Bytes bad = to.get(segment(1).key());
  bad.back() ^= 1;
  to.put(segment(1).key(), bad);
  EXPECT_EQ(copy_vault(store_, to, {.verify = true}, progress, {}).healed, 1u);
  EXPECT_EQ(objects_of(to), objects_of(store_));
}

// The source never stands still: whenever a piece is read it has just become the whole, and a piece
// of the next segment is there. One round has to do.
TEST_F(LogArchive, APieceThatVanishesIsCopiedAsTheWhole) {
  const Bytes content = content_of(1);
  store_piece(segment(1), content, 0, 500);
  const auto plan = std::make_shared<FaultPlan>();
  FaultStore watched(store_, plan);
  std::uint64_t number = 1;
  plan->on_operation([&](std::uint64_t, Operation operation, std::string_view key) {
    if (operation != Operation::kRead || key != piece(segment(number), 0, 500).key()) return;
    store_log(*vault_, segment(number), content);
    remove_log_pieces(*vault_, segment(number));
    store_piece(segment(++number), content, 0, 500);
  });
  MemoryStore to(clock_);
  CopyProgress progress;
  copy_vault(watched, to, {.threads = 1}, progress, {});
  EXPECT_EQ(number, 2u);
  EXPECT_EQ(read_log(*open(to), segment(1))->bytes, content);
}

}  // namespace
}  // namespace holdfast::test
