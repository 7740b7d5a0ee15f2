// The pure parts: progress, tables, names of sources, the store of dry runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/backup_sources.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "os/clock.h"
#include "store/dry_run_store.h"
#include "store/memory_store.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

ProgressSample half() {
  ProgressSample sample;
  sample.bytes = 50u << 20;
  sample.total_bytes = 100u << 20;
  sample.items = 1;
  sample.total_items = 4;
  sample.total_known = true;
  return sample;
}

TEST(ProgressText, BarHasPercentRateAndTimeLeft) {
  const std::string bar = progress_bar("web", "file", half(), 10 << 20, 200);
  EXPECT_EQ(bar, "web [##########..........]  50%  1/4 files  50.0 MiB  10.0 MiB/s  6s left");
  EXPECT_EQ(progress_bar("web", "file", half(), 10 << 20, 20).size(), 19u);
}

TEST(ProgressText, ClaimsNothingWhileTheTotalIsUnknown) {
  ProgressSample sample = half();
  sample.total_known = false;
  EXPECT_EQ(progress_line("web", "file", sample, 1024), "web: 1 file, 50.0 MiB, 1.0 KiB/s");
  EXPECT_EQ(progress_line("web", "file", half(), 0), "web: 50%, 1/4 files, 50.0 MiB, 0 B/s");
}

TEST(Table, AlignsByWidthOnTheScreen) {
  Table table({"NAME", ">SIZE"});
  table.add({"\xc3\xa9", "1"});
  table.add({"long name", "10"});
  EXPECT_EQ(table.text(), "NAME       SIZE\n\xc3\xa9             1\nlong name    10\n");
}

TEST(SourceNames, AreMadeOfTheLastPart) {
  EXPECT_EQ(source_name_of("/srv/www"), "www");
  EXPECT_EQ(source_name_of("/srv/My Files!/"), "my-files");
  EXPECT_EQ(source_name_of("/"), "root");
  EXPECT_EQ(source_name_of("/x/.ssh"), "ssh");
  EXPECT_EQ(source_name_of("/x/" + std::string(100, 'a')).size(), 63u);
}

TEST(SourceNames, OfPathsWithoutLettersAreDistinct) {
  const std::string one = source_name_of("/srv/\xe6\x97\xa5\xe6\x9c\xac");
  EXPECT_NE(one, source_name_of("/srv/\xe4\xb8\xad\xe6\x96\x87"));
  EXPECT_NE(one, source_name_of("/home/\xe6\x97\xa5\xe6\x9c\xac"));
  EXPECT_NE(one, source_name_of("/"));
  EXPECT_EQ(one, source_name_of("/srv/x/../\xe6\x97\xa5\xe6\x9c\xac/")) << "the same each time";
  EXPECT_NO_THROW(check_source_name(one));
}

TEST(LeaveOut, NamesOnlyWhatLiesBelow) {
  BackupJob job;
  job.walk.roots = {"srv", "home"};
  EXPECT_EQ(leave_out(job, {"/srv/vault*", "/elsewhere"}, "/srv/vault*"),
            std::vector<std::string>{"/srv/vault*"});
  EXPECT_EQ(job.walk.left_out, std::vector<std::string>{"srv/vault*"});
  EXPECT_TRUE(job.walk.excludes.empty());
}

TEST(DryRunStore, ShowsItsOwnChangesAndLeavesTheStoreAlone) {
  auto inner = std::make_unique<MemoryStore>(system_clock());
  MemoryStore& real = *inner;
  real.put("a/1", as_bytes("one"));
  real.put("a/2", as_bytes("two"));
  DryRunStore store(std::move(inner), system_clock());
  EXPECT_FALSE(store.put_new("a/1", as_bytes("x")));
  EXPECT_TRUE(store.put_new("a/3", as_bytes("three")));
  store.remove("a/1");
  EXPECT_FALSE(store.stat("a/1"));
  EXPECT_THROW(store.get("a/1"), Error);
  EXPECT_TRUE(store.replace("a/2", as_bytes("TWO"), store.stat("a/2")->etag));
  EXPECT_FALSE(store.replace("a/2", as_bytes("2"), "stale"));
  EXPECT_EQ(as_text(store.get("a/2")), "TWO");
  EXPECT_TRUE(store.stage()->commit("a/4"));
  std::vector<std::string> keys;
  store.list("a/", [&](const ObjectInfo& info) { keys.push_back(info.key); });
  EXPECT_THAT(keys, testing::ElementsAre("a/2", "a/3"));
  EXPECT_EQ(as_text(real.get("a/2")), "two");
  EXPECT_EQ(list_objects(real, "").size(), 2u);
}

}  // namespace
}  // namespace holdfast
