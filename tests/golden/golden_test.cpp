// A vault that an earlier program wrote must stay readable, whole, and useful to add to.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>

#include "base/error.h"
#include "base/path.h"
#include "codec/random_data.h"
#include "golden/golden_listing.h"
#include "os/file.h"
#include "protect/backup.h"
#include "protect/reachability.h"
#include "protect/restore.h"
#include "protect/validate.h"
#include "protect/verdict.h"
#include "store/expect_error.h"
#include "store/file_store.h"
#include "support/temp_dir.h"
#include "vault/held_clock.h"
#include "vault/log_object.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(HOLDFAST_TESTS_DIR) + "/golden/v1";

std::string golden_text(const std::string& name) {
  return std::string(as_text(read_file(kGolden + "/" + name)));
}

struct Golden : testing::Test {
  Golden() {
    fs::copy(kGolden + "/vault", directory / "vault", fs::copy_options::recursive);
    fs::permissions(directory / "vault", fs::perms::owner_all, fs::perm_options::add);
    store = std::make_unique<FileStore>(directory / "vault");
  }
  std::unique_ptr<Vault> open(const Credential& credential) {
    return Vault::open(*store, clock, credential, {});
  }
  std::unique_ptr<Vault> open() { return open(parse_key_file(golden_text("key-file.txt"))); }

  TempDir directory;
  HeldClock clock;
  std::unique_ptr<FileStore> store;
};

TEST_F(Golden, EveryKeyOpensIt) {
  EXPECT_EQ(open()->ring().role, Role::kRestorer);
  EXPECT_EQ(open(Passphrase{kGoldenPassphrase})->ring().role, Role::kRestorer);
  EXPECT_EQ(open(parse_recovery_code(golden_text("recovery-code.txt")))->ring().role,
            Role::kRestorer);
  EXPECT_EQ(open(parse_key_file(golden_text("writer-key-file.txt")))->ring().role, Role::kWriter);
  EXPECT_EQ(open(parse_key_file(golden_text("operator-ring.txt")))->ring().role, Role::kOperator);
}

TEST_F(Golden, EveryByteIsSound) {
  ValidateJob job;
  job.backups = list_backups(*store);
  job.whole_vault = true;
  job.read_percent = 100;
  job.record = false;
  ASSERT_EQ(job.backups.size(), 2u);
  ValidateProgress progress;
  const ValidateResult result = validate(*open(), job, progress, {});
  for (const Finding& finding : result.findings) {
    ADD_FAILURE() << finding.object << ": " << finding.problem;
  }
  EXPECT_TRUE(result.damaged.empty());
  EXPECT_TRUE(result.content_checked);
  EXPECT_EQ(result.backups, 2u);
  EXPECT_EQ(result.packs_read, result.packs);
  EXPECT_GT(result.packs, 1u);
  EXPECT_GT(result.chunks, 20u);
}

TEST_F(Golden, EveryEntryIsWhatItWas) {
  const auto vault = open();
  for (const BackupName& name : list_backups(*store)) {
    EXPECT_EQ(golden_listing(*vault, name), golden_text(name.id() + ".txt"));
  }
}

TEST_F(Golden, SummariesAndRoots) {
  const auto vault = open();
  const auto backups = list_backups(*store);
  ASSERT_EQ(backups.size(), 2u);
  EXPECT_EQ(backups[0].source, "golden");
  const StoredBackup first = read_backup(*vault, backups[0]);
  const StoredBackup second = read_backup(*vault, backups[1]);
  EXPECT_EQ(first.summary.files + 1, second.summary.files);
  EXPECT_EQ(first.summary.bytes + 3000, second.summary.bytes);
  EXPECT_EQ(second.summary.started - first.summary.started, std::chrono::hours(24));
  ASSERT_TRUE(first.root);
  EXPECT_EQ(first.root->paths, (std::vector<std::string>{"tmp/holdfast-golden-source"}));
}

TEST_F(Golden, TheOperatorSeesAllThatIsNeeded) {
  const auto vault = open(parse_key_file(golden_text("operator-ring.txt")));
  const auto index = vault->load_index();
  const LiveSet live = reachable_from(*vault, list_backups(*store), index, DoomSet(), {});
  EXPECT_EQ(live.count(), index->chunks());
}

TEST_F(Golden, DoomAndVerificationsAreRead) {
  const auto dooms = read_dooms(*store, open()->ring());
  ASSERT_EQ(dooms.size(), 1u);
  EXPECT_EQ(dooms[0].doom.reason, DoomReason::kPrune);
  EXPECT_EQ(dooms[0].doom.packs, (std::vector<PackName>{lcg_array<32>(8)}));
  EXPECT_EQ(dooms[0].doom.chunks, (std::vector<ChunkId>{{lcg_array<24>(9)}}));
  EXPECT_EQ(verified_times(*store).size(), 2u);
}

// The same content is cut and named as before: a new backup of old files adds nothing.
TEST_F(Golden, OldContentIsFoundAgain) {
  const auto vault = open(parse_key_file(golden_text("writer-key-file.txt")));
  const auto index = vault->load_index();
  const Bytes content = lcg_bytes(kGoldenSize, kGoldenSeed);
  std::size_t chunks = 0;
  for (ByteView left(content); !left.empty(); ++chunks) {
    const std::size_t size = vault->chunker().cut(left);
    ASSERT_TRUE(index->contains(vault->id_of(left.first(size)), DoomSet())) << chunks;
    left = left.subspan(size);
  }
  EXPECT_GT(chunks, 5u);
}

TEST_F(Golden, OldPagesAreWrittenTheSame) {
  const auto vault = open();
  const BackupName name = list_backups(*store)[0];
  const StoredBackup backup = read_backup(*vault, name);
  ChunkReader reader(*vault);
  WriteSession session(*vault, {.threads = 1});
  TreeWriter tree(session);
  for_each_entry(reader, backup.root->tree, [&](const Entry& entry, std::span<const Ref> chunks) {
    Bytes encoded;
    encode_entry(entry, chunks.size(), encoded);
    tree.add(entry.path, encoded, {chunks.begin(), chunks.end()});
    return true;
  });
  const TreeRoots roots = tree.finish();
  session.finish();
  EXPECT_EQ(roots.tree, backup.root->tree);
  EXPECT_EQ(roots.reach, backup.summary.reach);
  EXPECT_EQ(session.stats().new_chunks, 0u);
}

TEST_F(Golden, RestoresWhatItHolds) {
  const auto vault = open();
  for (const BackupName& name : list_backups(*store)) {
    const std::string target = directory / name.id();
    RestoreJob job;
    job.backup = name;
    job.target = target;
    job.strip_components = 1;
    job.rights.owner = false;
    RestoreProgress progress;
    Warnings warnings;
    const RestoreResult result = run_restore(*vault, job, progress, warnings, {});
    EXPECT_EQ(result.damaged, 0u);
    ChunkReader reader(*vault);
    const Ref root = read_backup(*vault, name).root.value().tree;
    std::size_t compared = 0;
    for_each_entry_within(
        reader, root, "tmp/holdfast-golden-source",
        [&](const Entry& entry, std::span<const Ref> chunks) {
          SCOPED_TRACE(entry.path);
          const std::string path = target + entry.path.substr(3);
          struct stat status {};
          EXPECT_EQ(::lstat(path.c_str(), &status), 0);
          ++compared;
          if (entry.type == EntryType::kSymlink) {
            EXPECT_EQ(fs::read_symlink(path).string(), entry.link_target);
            return true;
          }
          if (entry.type == EntryType::kHardlink) {
            struct stat first {};
            EXPECT_EQ(::lstat((target + entry.link_target.substr(3)).c_str(), &first), 0);
            EXPECT_EQ(status.st_ino, first.st_ino);
            return true;
          }
          // Without the owner's rights, set-id bits are left out.
          EXPECT_EQ(status.st_mode & 0777, entry.mode & 0777);
          EXPECT_EQ(status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, entry.mtime_ns);
          if (entry.type != EntryType::kFile) return true;
          EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), entry.size);
          if ((entry.mode & 0400) == 0) ::chmod(path.c_str(), 0400);
          const Bytes content = read_file(path);
          Bytes expected(static_cast<std::size_t>(entry.size));
          std::vector<Extent> extents = entry.extents;
          if (!entry.sparse) extents = {{0, entry.size}};
          Bytes data;
          for (const Ref& chunk : chunks) append(data, reader.read(chunk));
          std::size_t at = 0;
          for (const Extent& extent : extents) {
            const ByteView piece =
                ByteView(data).subspan(at, static_cast<std::size_t>(extent.length));
            std::copy(piece.begin(), piece.end(),
                      expected.begin() + static_cast<std::ptrdiff_t>(extent.offset));
            at += piece.size();
          }
          EXPECT_TRUE(content == expected);
          if (entry.sparse) {
            EXPECT_LT(status.st_blocks * 512, status.st_size / 2);
          }
          for (const Xattr& xattr : entry.xattrs) {
            std::uint8_t value[16];
            const ssize_t size = ::getxattr(path.c_str(), xattr.name.c_str(), value, sizeof value);
            if (size < 0 && errno == ENOTSUP) continue;  // not on this file system
            EXPECT_EQ(size, static_cast<ssize_t>(xattr.value.size()));
          }
          return true;
        });
    EXPECT_GT(compared, 50u);
  }
}

// Version 1 of log objects: one MAC over all of the content.
TEST(GoldenLog, AnObjectOfTheFirstVersionIsRead) {
  const KeyRing ring = KeyRing::from_master({}, {});
  const LogName name{"source", "1", "file", {}};
  const Bytes object = read_file(kGolden + "/log_object");
  Bytes scratch = object;
  const LogContent content = decode_log(scratch, ring, name);
  EXPECT_EQ(content.bytes, Bytes(100));
  EXPECT_EQ(content.header.version, 1u);
  EXPECT_TRUE(is_content(ring, content.header, Bytes(100)));
  EXPECT_FALSE(is_content(ring, content.header, Bytes(100, 1)));
  // Its version cannot be changed.
  scratch = object;
  scratch.at(5) = '2';
  expect_error(Code::kCorrupt, [&] { decode_log(scratch, ring, name); });
}

}  // namespace
}  // namespace holdfast
