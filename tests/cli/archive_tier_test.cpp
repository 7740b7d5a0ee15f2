// copy, sync and repair of a vault whose packs lie in an archive tier, as a person types it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/support.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class ArchiveTier : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", std::string(20'000, 'a'));
    expect(0, {"init"});
    expect(0, {"backup", "files", shop_ / "data"});
    server_.archive("data/");
  }
  Outcome expect(int code, std::vector<std::string> arguments,
                 const std::string& vault = "s3://bucket/main") const {
    std::string line;
    for (const std::string& word : arguments) line += " " + word;
    arguments.insert(arguments.end(), {"--vault", vault, "--key-file", shop_ / "key"});
    Outcome result = shop_.run(std::move(arguments), {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                                      {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                                      {"AWS_ENDPOINT_URL", server_.url()},
                                                      {"AWS_REGION", "us-east-1"},
                                                      {"no_proxy", "127.0.0.1"}});
    EXPECT_EQ(result.code, code) << line << result.out << result.err;
    return result;
  }

  const Workshop shop_;
  MiniS3 server_;
};

TEST_F(ArchiveTier, ACopyListsAsksAndWaits) {
  const std::string to = shop_ / "copy";
  EXPECT_THAT(expect(0, {"copy", "--to", to, "--dry-run"}).out,
              HasSubstr("would wait for 1 pack ("));
  const json plan = expect(0, {"copy", "--to", to, "-n", "--json"}).document();
  EXPECT_EQ(plan.at("copies").at(0).at("archived").at("packs"), 1);
  EXPECT_THAT(server_.asked_for(), IsEmpty());
  EXPECT_THAT(expect(8, {"copy", "--to", to, "--no-wait"}).err,
              HasSubstr("they come from an archive"));
  EXPECT_EQ(server_.asked_for().size(), 1u);
  server_.archive("data/");  // the time for which it was asked for is over
  const Outcome copied = expect(0, {"copy", "--to", to, "--thaw-days", "3"});
  EXPECT_THAT(copied.err, HasSubstr("archive: asked for 1 pack ("));
  EXPECT_THAT(copied.err, HasSubstr("readable for 3 days"));
  EXPECT_THAT(copied.err, HasSubstr("1 of 1 pack ("));
  EXPECT_EQ(server_.asked_for().size(), 2u);
  expect(0, {"validate", "all", "--read-data"}, to);
  server_.archive("data/");
  expect(0, {"copy", "--to", to});
  EXPECT_EQ(server_.asked_for().size(), 2u) << "what is there needs no reading";
}

TEST_F(ArchiveTier, ADryVerifyingCopySaysWhatItCannotRead) {
  expect(0, {"copy", "--to", "s3://bucket/other"});
  server_.archive("other/data/");
  const std::size_t asked = server_.asked_for().size();
  EXPECT_THAT(expect(0, {"copy", "--to", "s3://bucket/other", "--verify", "--dry-run"}).out,
              HasSubstr("1 object in an archive tier not verified"));
  EXPECT_EQ(server_.asked_for().size(), asked);
}

// Hours may pass: the application runs on meanwhile.
TEST_F(ArchiveTier, ARestoreInPlaceStopsNothingBeforeAllOfItCanBeRead) {
  const std::string note = "echo $HOLDFAST_EVENT >> " + (shop_ / "turns");
  shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" + (shop_ / "data") +
                     "]\n    restore:\n      before: ['" + note + "']\n      after: ['" + note +
                     "']\n");
  shop_.write("data/a", std::string(30'000, 'b'));
  expect(0, {"backup", "files"});
  shop_.write("data/a", "changed");
  server_.archive("data/");
  const std::vector<std::string> words = {"restore", "latest:web",  "--target",
                                          "/",       "--overwrite", "if-changed"};
  std::vector<std::string> at_once = words;
  at_once.emplace_back("--no-wait");
  EXPECT_THAT(expect(8, at_once).err, HasSubstr("check: "));
  EXPECT_FALSE(std::filesystem::exists(shop_ / "turns"));
  server_.archive("data/");  // the time for which it was asked for is over
  const std::size_t asked = server_.asked_for().size();
  std::vector<std::string> document = words;
  document.emplace_back("--json");
  const json done = expect(0, document).document();
  EXPECT_EQ(done.at("archived").at("packs"), 1);
  EXPECT_EQ(server_.asked_for().size(), asked + 1);
  EXPECT_EQ(shop_.read("turns"), "restore.before\nrestore.after\n");
  EXPECT_EQ(shop_.read("data/a"), std::string(30'000, 'b'));
}

TEST_F(ArchiveTier, SyncWaitsToo) {
  shop_.write_config("copies: [{name: second, url: " + (shop_ / "copy") + "}]\n");
  EXPECT_THAT(expect(0, {"sync"}).err, HasSubstr("archive: asked for 1 pack ("));
  expect(0, {"validate", "all", "--read-data"}, shop_ / "copy");
}

TEST_F(ArchiveTier, ARepairTakesFromAnArchivedCopy) {
  const std::string here = shop_ / "copy";
  expect(0, {"copy", "--to", here});
  server_.archive("data/");
  const std::size_t before = server_.asked_for().size();
  std::filesystem::remove(shop_.find_file("copy/data", ""));
  const Outcome plan = expect(0, {"repair", "--from", "s3://bucket/main", "--dry-run"}, here);
  EXPECT_THAT(plan.out, HasSubstr("would ask for in the archive tier and take from"));
  EXPECT_THAT(plan.out, HasSubstr("would wait for 1 pack ("));
  EXPECT_EQ(server_.asked_for().size(), before);
  expect(0, {"repair", "--from", "s3://bucket/main"}, here);
  EXPECT_EQ(server_.asked_for().size(), before + 1);
  expect(0, {"validate", "all", "--read-data"}, here);
}

// All of the vault is read, so all of it is asked for.
TEST_F(ArchiveTier, ARepairOfAnArchivedVaultWaitsForIt) {
  const Outcome plan = expect(0, {"repair", "--dry-run"});
  EXPECT_THAT(plan.out, HasSubstr("would wait for 1 pack ("));
  EXPECT_THAT(server_.asked_for(), IsEmpty());
  expect(0, {"repair"});
  EXPECT_EQ(server_.asked_for().size(), 1u);
}

}  // namespace
}  // namespace holdfast
