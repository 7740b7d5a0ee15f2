#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/support.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class Keys : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", "secret\n");
    shop_.init();
    shop_.backup();
  }
  // The command with a key of another file.
  Outcome with(const std::string& key, std::vector<std::string> words) const {
    words.insert(words.end(), {"--vault", shop_ / "vault", "--key-file", shop_ / key});
    return shop_.run(std::move(words));
  }
  std::vector<std::string> cat() const { return {"cat", "latest", shop_ / "data/a"}; }
  Workshop shop_;
};

TEST_F(Keys, AWriterAddsAndCannotRead) {
  shop_.expect(
      0, {"key", "add", "--role", "writer", "--label", "web1", "--new-key-file", shop_ / "writer"});
  EXPECT_EQ(with("writer", {"backup", "files", shop_ / "data"}).code, 0);
  EXPECT_EQ(with("writer", {"list"}).code, 0);
  const Outcome denied = with("writer", cat());
  EXPECT_EQ(denied.code, 7);
  EXPECT_THAT(denied.err, HasSubstr("a writer key cannot read backups"));
  EXPECT_EQ(with("writer", {"restore", "latest", "--target", shop_ / "back"}).code, 7);
  EXPECT_EQ(with("writer", {"key", "recover-sheet"}).code, 7);
  EXPECT_EQ(
      with("writer", {"key", "add", "--role", "restorer", "--new-key-file", shop_ / "x"}).code, 7);
  EXPECT_EQ(shop_.listing("x"), "(nothing)");
}

TEST_F(Keys, AWriterDoesNotChangeWhatIsThere) {
  shop_.expect(0, {"key", "add", "--role", "writer", "--new-key-file", shop_ / "writer"});
  shop_.wait_for_a_new_second();
  shop_.write("data/b", "more\n");
  shop_.backup();
  const std::string id = shop_.expect_json(0, {"key", "list"}).at("keys")[0].at("id");
  const std::string before = shop_.listing("vault");
  const std::vector<std::vector<std::string>> refused{
      {"forget", "latest", "--yes"},
      {"retention", "apply", "--keep-last", "1"},
      {"prune"},
      {"prune", "--dry-run"},
      {"repair"},
      {"key", "add", "--role", "writer", "--new-key-file", shop_ / "x"},
      {"key", "remove", id, "--yes", "--force"}};
  for (const auto& words : refused) {
    const Outcome result = with("writer", words);
    EXPECT_EQ(result.code, 7) << words[0] << result.err;
    EXPECT_THAT(result.err, HasSubstr("a writer key may not")) << words[0];
    EXPECT_THAT(result.err, HasSubstr("use an operator key")) << words[0];
  }
  EXPECT_EQ(shop_.listing("vault"), before);
  EXPECT_EQ(shop_.listing("x"), "(nothing)");
  shop_.expect(0, {"key", "add", "--role", "operator", "--new-key-file", shop_ / "operator"});
  EXPECT_EQ(with("operator", {"retention", "apply", "--keep-last", "1"}).code, 0);
  EXPECT_EQ(with("operator", {"prune"}).code, 0);
}

TEST_F(Keys, DryRunsChangeNothing) {
  const std::string id = shop_.expect_json(0, {"key", "list"}).at("keys")[0].at("id");
  shop_.expect(0, {"key", "add", "--role", "restorer", "--new-key-file", shop_ / "second"});
  const std::string before = shop_.listing("vault");
  const std::vector<std::string> add{"key",       "add",      "--role", "writer", "--new-key-file",
                                     shop_ / "x", "--dry-run"};
  EXPECT_EQ(shop_.expect_json(0, add).at("key").at("role"), "writer");
  EXPECT_EQ(shop_.expect_json(0, {"key", "remove", id, "--dry-run"}).at("dry_run"), true);
  EXPECT_EQ(shop_.listing("vault"), before);
  EXPECT_EQ(shop_.listing("x"), "(nothing)");
  shop_.write("x", "in the way");
  EXPECT_EQ(shop_.expect(6, add).code, 6);
}

TEST_F(Keys, ADryRunOfInitChecksThePlaceAndMakesNothing) {
  const auto init = [&](const std::string& place, const std::string& key) {
    return shop_.run(
        {"init", "--vault", shop_ / place, "--key-file", shop_ / key, "--dry-run", "--json"});
  };
  const Outcome fresh = init("new/vault", "new.key");
  EXPECT_EQ(fresh.code, 0) << fresh.err;
  EXPECT_EQ(fresh.document().at("url"), "file://" + (shop_ / "new/vault"));
  EXPECT_EQ(fresh.document().at("key_file_created"), true);
  EXPECT_EQ(shop_.listing("new"), "(nothing)");
  EXPECT_EQ(shop_.listing("new.key"), "(nothing)");
  EXPECT_EQ(init("vault", "new.key").code, 6) << "it is one already";
  EXPECT_EQ(init("vault/within", "new.key").code, 6);
  shop_.write("photos/cat.jpg", "miaow");
  EXPECT_EQ(init("photos", "new.key").code, 6);
  EXPECT_EQ(init("new", "none/new.key").code, 4) << "the key file has no place";
}

TEST_F(Keys, AnOperatorListsAndCannotWriteOrRead) {
  shop_.expect(0, {"key", "add", "--role", "operator", "--new-key-file", shop_ / "operator"});
  EXPECT_EQ(with("operator", {"list"}).code, 0);
  EXPECT_EQ(with("operator", {"stats"}).code, 0);
  EXPECT_EQ(with("operator", {"validate", "--read-data"}).code, 0);
  EXPECT_EQ(with("operator", cat()).code, 7);
  EXPECT_EQ(with("operator", {"backup", "files", shop_ / "data"}).code, 7);
}

TEST_F(Keys, ListAddAndRemove) {
  json keys = shop_.expect_json(0, {"key", "list"}).at("keys");
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].at("role"), "restorer");
  const std::string first = keys[0].at("id").get<std::string>();
  EXPECT_THAT(shop_.expect(6, {"key", "remove", first}).err, HasSubstr("last key"));
  EXPECT_EQ(shop_.expect(4, {"key", "remove", "0000"}).code, 4);
  std::vector<std::string> add{"key",        "add",         "--role",
                               "restorer",   "--vault",     shop_ / "vault",
                               "--key-file", shop_ / "key", "--new-passphrase"};
  EXPECT_EQ(shop_.run(add).code, 7);
  EXPECT_EQ(shop_.run(add, {{"HOLDFAST_NEW_PASSPHRASE", "words"}}).code, 0);
  shop_.expect(0, {"key", "remove", first.substr(0, 6)});
  EXPECT_EQ(with("key", cat()).code, 7);
  std::vector<std::string> words = cat();
  words.insert(words.end(), {"--vault", shop_ / "vault"});
  EXPECT_EQ(shop_.run(words, {{"HOLDFAST_PASSPHRASE", "words"}}).out, "secret\n");
}

TEST_F(Keys, AddWantsARoleAndOneKindOfKey) {
  EXPECT_EQ(shop_.expect(2, {"key", "add", "--new-passphrase"}).code, 2);
  EXPECT_EQ(shop_.expect(2, {"key", "add", "--role", "writer"}).code, 2);
  EXPECT_EQ(shop_.expect(2, {"key", "add", "--role", "king", "--new-passphrase"}).code, 2);
  shop_.write("taken", "x");
  EXPECT_EQ(
      shop_.expect(6, {"key", "add", "--role", "writer", "--new-key-file", shop_ / "taken"}).code,
      6);
  EXPECT_EQ(shop_.read("taken"), "x");
}

TEST_F(Keys, AnExportedKeyOpensAVaultWithoutKeys) {
  shop_.expect(0, {"key", "export", "--output", shop_ / "ring"});
  struct stat status {};
  ASSERT_EQ(::stat((shop_ / "ring").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0600u);
  const std::string id = shop_.expect_json(0, {"key", "list"}).at("keys")[0].at("id");
  shop_.expect(0, {"key", "remove", id, "--force"});
  EXPECT_EQ(with("ring", cat()).out, "secret\n");
  EXPECT_EQ(shop_.expect(7, cat()).code, 7);
}

TEST_F(Keys, TheRecoverySheetIsACodeFile) {
  shop_.expect(0, {"key", "recover-sheet", "--output", shop_ / "sheet"});
  const std::string code =
      shop_.expect_json(0, {"key", "recover-sheet"}).at("recovery_code").get<std::string>();
  std::vector<std::string> words = cat();
  words.insert(words.end(), {"--vault", shop_ / "vault"});
  EXPECT_EQ(shop_.run(words, {{"HOLDFAST_RECOVERY_CODE", code}}).out, "secret\n");
  std::string wrong = code;
  wrong[7] = wrong[7] == '2' ? '3' : '2';
  EXPECT_EQ(shop_.run(words, {{"HOLDFAST_RECOVERY_CODE", wrong}}).code, 10);
  words.insert(words.end(), {"--recovery-code-file", shop_ / "sheet"});
  EXPECT_EQ(shop_.run(words).out, "secret\n");
  EXPECT_THAT(shop_.read("sheet"), HasSubstr(shop_ / "vault"));
}

// Who has nothing but the sheet has no configuration either.
TEST_F(Keys, TheRecoverySheetNamesEveryPlaceOnOnePage) {
  std::string copies =
      "stores: [{url: 's3://', endpoint: 'https://s3.example.net', ca_file: /etc/ca.pem}]\n"
      "copies:\n"
      "  - {name: west, url: 's3://backups', region: us-west-2, endpoint: 'https://west.example'}\n"
      "  - {name: disk, url: " +
      (shop_ / "disk") + "}\n";
  shop_.write_config(copies);
  const json document = shop_.expect_json(0, {"key", "recover-sheet"});
  ASSERT_EQ(document.at("places").size(), 3u);
  EXPECT_EQ(document.at("places")[1].at("url"), "s3://backups");
  EXPECT_EQ(document.at("places")[1].at("endpoint"), "https://west.example");
  EXPECT_EQ(document.at("places")[1].at("region"), "us-west-2");
  for (int i = 0; i < 20; ++i) {
    copies += "  - {name: copy" + std::to_string(i) + ", url: 's3://copy" + std::to_string(i) +
              "', region: eu-1}\n";
  }
  shop_.write_config(copies);
  const std::string sheet = shop_.expect(0, {"key", "recover-sheet"}).out;
  for (const char* part : {"s3://backups", "https://west.example", "us-west-2", "AWS_ENDPOINT_URL",
                           "AWS_CA_BUNDLE", "holdfast recover --from", "file://", "and 17 more"}) {
    EXPECT_THAT(sheet, HasSubstr(part));
  }
  EXPECT_LE(std::count(sheet.begin(), sheet.end(), '\n'), 60);
  shop_.write("sheet", sheet);
  std::vector<std::string> words = cat();
  words.insert(words.end(), {"--vault", shop_ / "vault", "--recovery-code-file", shop_ / "sheet"});
  EXPECT_EQ(shop_.run(words).out, "secret\n");
}

TEST_F(Keys, AKeyOfAnotherVaultIsRefused) {
  ASSERT_EQ(shop_.run({"init", "--vault", shop_ / "v2", "--key-file", shop_ / "key2"}).code, 0);
  const Outcome wrong = with("key2", {"list"});
  EXPECT_EQ(wrong.code, 7);
  EXPECT_THAT(wrong.err, HasSubstr("does not open this vault"));
  EXPECT_EQ(with("nowhere", {"list"}).code, 4);
}

}  // namespace
}  // namespace holdfast
