#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "base/time.h"
#include "cli/export_output.h"
#include "cli/support.h"
#include "codec/age.h"
#include "codec/kdf.h"
#include "os/clock.h"
#include "os/file.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class ExportCommand : public testing::Test {
 protected:
  void SetUp() override {
    shop_.write("data/a", "first\n");
    shop_.write("data/sub/b", "second\n");
    shop_.init();
    id_ = shop_.backup();
    top_ = (shop_ / "data").substr(1);
  }
  ProcessResult shell(const std::string& line) const {
    ProcessOptions options;
    options.argv = {"bash", "-o", "pipefail", "-c", line};
    options.working_directory = shop_.path();
    return run_process(options);
  }
  std::string output_of(const std::string& line) const {
    const ProcessResult result = shell(line);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
    return result.output;
  }
  // The program with the vault and key of the workshop, for a pipe.
  std::string program(const std::string& arguments) const {
    return "'" HOLDFAST_BINARY "' " + arguments + " --vault '" + (shop_ / "vault") +
           "' --key-file '" + (shop_ / "key") + "' --config '" + (shop_ / "holdfast.yaml") + "'";
  }
  std::string default_name(const std::string& suffix) const { return id_ + "." + suffix; }

  Workshop shop_;
  std::string id_;
  std::string top_;
};

TEST_F(ExportCommand, MakesAnOrdinaryArchive) {
  const std::string file = shop_ / default_name("tar.zst");
  const json document = shop_.expect_json(0, {"export", id_, "--output", shop_.path()});
  EXPECT_EQ(document.at("backup"), id_);
  EXPECT_EQ(document.at("output"), file);
  EXPECT_EQ(document.at("format"), "tar.zst");
  EXPECT_EQ(document.at("files"), 2);
  EXPECT_EQ(document.at("bytes"), 13);
  EXPECT_EQ(document.at("archive_bytes"), fs::file_size(file));
  EXPECT_EQ(document.at("recipients"), 0);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  output_of("mkdir out && tar --zstd -C out -xf " + default_name("tar.zst"));
  EXPECT_EQ(shop_.read("out/" + top_ + "/a"), "first\n");
  EXPECT_EQ(shop_.read("out/" + top_ + "/sub/b"), "second\n");
  const std::string log =
      shop_.read("state/restore/logs/export-" + format_compact_date(system_clock().now()) + ".log");
  EXPECT_THAT(log, HasSubstr("export of " + id_));
  EXPECT_THAT(log, HasSubstr("Duration: "));
}

TEST_F(ExportCommand, TheNameOfTheOutputDecides) {
  shop_.expect(0, {"export", id_, "--output", shop_ / "x.tar.gz"});
  EXPECT_THAT(output_of("tar -tzf x.tar.gz"), HasSubstr(top_ + "/sub/b\n"));
  shop_.expect(0, {"export", id_, "--output", "file://" + (shop_ / "anything")});
  output_of("zstd -t < anything");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"x.tar.gz", "--format", "tar.zst"},
        {"x.tar.gz.age"},
        {"x.sql.gz", "--format", "tar.gz"}}) {
    std::vector<std::string> words{"export", id_, "--output"};
    words.push_back(shop_ / ("new-" + wrong[0]));
    words.insert(words.end(), wrong.begin() + 1, wrong.end());
    shop_.expect(2, words);
  }
  EXPECT_FALSE(path_exists(shop_ / "new-x.tar.gz"));
}

TEST_F(ExportCommand, WhatExistsStaysWithoutForce) {
  shop_.write("x.tar.gz", "mine");
  const Outcome refused = shop_.expect(6, {"export", id_, "--output", shop_ / "x.tar.gz"});
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  shop_.expect(6, {"export", id_, "--output", shop_ / "x.tar.gz", "--dry-run"});
  EXPECT_EQ(shop_.read("x.tar.gz"), "mine");
  shop_.expect(0, {"export", id_, "--output", shop_ / "x.tar.gz", "--force"});
  output_of("gunzip -t x.tar.gz");
  fs::create_symlink("/dev/null", shop_ / "link");
  EXPECT_EQ(shop_.expect(2, {"export", id_, "--output", shop_ / "link", "--force", "--bad"}).code,
            2);
  EXPECT_NE(shop_.holdfast({"export", id_, "--output", shop_ / "link", "--force"}).code, 0);
  EXPECT_TRUE(fs::is_symlink(shop_ / "link"));
  EXPECT_EQ(shop_.expect(4, {"export", id_, "--output", shop_ / "none/x.tar.gz"}).code, 4);
}

TEST_F(ExportCommand, GoesIntoPipes) {
  EXPECT_THAT(
      output_of(program("export " + id_ + " --format tar.gz --output - --quiet") + " | tar -tzf -"),
      HasSubstr(top_ + "/a\n"));
  // Nothing but the archive is on the standard output.
  const std::string raw = output_of(program("export " + id_ + " --output -") +
                                    " | zstd -dc | tar "
                                    "-xO " +
                                    top_ + "/a");
  EXPECT_EQ(raw, "first\n");
  shop_.expect(2, {"export", id_, "--output", "-", "--json"});
  // A reader that goes away is an error, and no lease stays behind.
  shop_.write("data/large", std::string(50'000'000, 'x'));
  shop_.wait_for_a_new_second();
  const std::string large = shop_.backup();
  const ProcessResult cut =
      shell("{ " + program("export " + large + " --level 1 --format tar.gz --output -") +
            "; echo $? > code; } | head -c 100 | wc -c");
  EXPECT_EQ(cut.output, "100\n");
  EXPECT_EQ(shop_.read("code"), "8\n");
  EXPECT_THAT(cut.error_output, HasSubstr("the standard output"));
  EXPECT_FALSE(fs::exists(shop_ / "vault/lease") && !fs::is_empty(shop_ / "vault/lease"));
}

TEST_F(ExportCommand, ADumpForPsql) {
  shop_.write("dump/appdb.sql", "SELECT 1;\n");
  shop_.expect(0, {"backup", "files", shop_ / "dump"});
  EXPECT_EQ(output_of(program("export latest:dump --format sql.gz --output -") + " | gunzip"),
            "SELECT 1;\n");
  shop_.expect(0, {"export", "latest:dump", "--output", shop_ / "appdb.sql.zst"});
  EXPECT_EQ(output_of("zstd -dc appdb.sql.zst"), "SELECT 1;\n");
  const Outcome none = shop_.expect(
      10, {"export", "latest:data", "--format", "sql.gz", "--output", shop_ / "none.sql.gz"});
  EXPECT_THAT(none.err, HasSubstr("tar.zst"));
  EXPECT_FALSE(path_exists(shop_ / "none.sql.gz"));
}

TEST_F(ExportCommand, SealedWithAge) {
  output_of("age-keygen -o age.key 2> /dev/null");
  const std::string recipient =
      age_recipient_text(public_key_of(parse_age_identities(shop_.read("age.key")).at(0)));
  const json document = shop_.expect_json(
      0, {"export", id_, "--output", shop_.path() + "/", "--recipient", recipient});
  EXPECT_EQ(document.at("recipients"), 1);
  EXPECT_EQ(document.at("output"), shop_ / default_name("tar.zst.age"));
  EXPECT_EQ(output_of("age -d -i age.key " + default_name("tar.zst.age") + " | tar --zstd -xOf - " +
                      top_ + "/a"),
            "first\n");
  EXPECT_EQ(output_of("grep -c first " + default_name("tar.zst.age") + " || true"), "0\n");
  shop_.expect(2, {"export", id_, "--output", shop_ / "x.tar.gz", "--recipient", recipient});
  shop_.expect(2, {"export", id_, "--output", shop_ / "x.tar.gz.age", "--recipient", "age1abc"});
}

TEST_F(ExportCommand, APart) {
  shop_.expect(0, {"export", id_, "--output", shop_ / "x.tar.gz", "--include", shop_ / "data/sub"});
  const std::string names = output_of("tar -tzf x.tar.gz");
  EXPECT_THAT(names, HasSubstr("/sub/b\n"));
  EXPECT_THAT(names, testing::Not(HasSubstr("/a\n")));
  shop_.expect(0, {"export", id_, "--output", shop_ / "y.tar.gz", "--exclude", "sub"});
  EXPECT_THAT(output_of("tar -tzf y.tar.gz"), testing::Not(HasSubstr("sub")));
  shop_.expect(4, {"export", id_, "--output", shop_ / "z.tar.gz", "--include", "/none"});
  EXPECT_FALSE(path_exists(shop_ / "z.tar.gz"));
}

TEST_F(ExportCommand, ADryRunWritesNothing) {
  const auto listing = [this] { return shop_.listing("vault") + shop_.listing("state"); };
  const std::string before = listing();
  const json document =
      shop_.expect_json(0, {"export", id_, "--output", shop_ / "x.tar.gz", "--dry-run"});
  EXPECT_EQ(document.at("files"), 2);
  EXPECT_EQ(document.at("archive_bytes"), 0);
  EXPECT_EQ(listing(), before);
  EXPECT_FALSE(path_exists(shop_ / "x.tar.gz"));
}

// Nothing half-written stays, under no name.
TEST_F(ExportCommand, DamageLeavesNothing) {
  for (const auto& file : fs::recursive_directory_iterator(shop_ / "vault/data")) {
    if (file.is_regular_file()) fs::resize_file(file.path(), 20);
  }
  fs::create_directory(shop_ / "exports");
  const json document = shop_.expect_json(5, {"export", id_, "--output", shop_ / "exports"});
  EXPECT_EQ(document.at("error").at("code"), "corrupt");
  EXPECT_TRUE(fs::is_empty(shop_ / "exports"));
}

TEST_F(ExportCommand, ToABucket) {
  MiniS3 server;
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--vault", shop_ / "vault", "--key-file", shop_ / "key"});
    return shop_.run(std::move(words), {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                        {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                        {"AWS_SESSION_TOKEN", ""},
                                        {"AWS_PROFILE", ""},
                                        {"AWS_CA_BUNDLE", ""},
                                        {"AWS_ENDPOINT_URL_S3", ""},
                                        {"AWS_ENDPOINT_URL", server.url()},
                                        {"AWS_REGION", "us-east-1"},
                                        {"no_proxy", "127.0.0.1"}});
  };
  const std::string url = "s3://handover/for/them/x.tar.gz";
  const Outcome first = run({"export", id_, "--output", url, "--json"});
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.document().at("output"), url);
  const auto stored = [&] {
    std::string body;
    for (const auto& received : server.received()) {
      if (received.method == "PUT") body = received.body;
    }
    return body;
  };
  shop_.write("got.tar.gz", stored());
  EXPECT_THAT(output_of("tar -tzf got.tar.gz"), HasSubstr(top_ + "/a\n"));
  EXPECT_EQ(run({"export", id_, "--output", url}).code, 6);
  const std::size_t before = server.received().size();
  EXPECT_EQ(run({"export", id_, "--output", url, "--force"}).code, 0);
  const auto all = server.received();
  EXPECT_TRUE(std::none_of(all.begin() + static_cast<std::ptrdiff_t>(before), all.end(),
                           [](const auto& one) { return one.method == "DELETE"; }));
}

TEST(ExportPlaceText, WhatAnOutputMeans) {
  using Kind = ExportPlace::Kind;
  const auto parts = [](const std::string& output) {
    const ExportPlace place = parse_export_place(output);
    return std::tuple(place.kind, place.directory, place.name);
  };
  EXPECT_EQ(parts(""), std::tuple(Kind::kFile, ".", ""));
  EXPECT_EQ(parts("-"), std::tuple(Kind::kStandardOutput, "", ""));
  EXPECT_EQ(parts("x.tar.gz"), std::tuple(Kind::kFile, ".", "x.tar.gz"));
  EXPECT_EQ(parts("/none/x.tar.gz"), std::tuple(Kind::kFile, "/none", "x.tar.gz"));
  EXPECT_EQ(parts("/x"), std::tuple(Kind::kFile, "/", "x"));
  EXPECT_EQ(parts("/none/"), std::tuple(Kind::kFile, "/none", ""));
  EXPECT_EQ(parts("/tmp"), std::tuple(Kind::kFile, "/tmp", ""));
  EXPECT_EQ(parts("file:///tmp/x"), std::tuple(Kind::kFile, "/tmp", "x"));
  EXPECT_EQ(parts("s3://b"), std::tuple(Kind::kObject, "s3://b", ""));
  EXPECT_EQ(parts("s3://b/"), std::tuple(Kind::kObject, "s3://b", ""));
  EXPECT_EQ(parts("s3://b/p/"), std::tuple(Kind::kObject, "s3://b/p", ""));
  EXPECT_EQ(parts("s3://b/p/x.tar.gz"), std::tuple(Kind::kObject, "s3://b/p", "x.tar.gz"));
  EXPECT_THROW(parse_export_place("file://tmp/x"), Error);
}

}  // namespace
}  // namespace holdfast
