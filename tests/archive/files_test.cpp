// Files and configuration as ordinary tar archives, and restores to their places with hooks.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <optional>

#include "cli/support.h"
#include "os/file.h"
#include "support/mini_s3.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class FileArchive : public ::testing::Test {
 protected:
  FileArchive() {
    shop_.write("data/a", "first\n");
    shop_.write("data/sub/b.tmp", "left out\n");
    shop_.write("data/sub/c", std::string(3 << 20, 'c') + "end");
    fs::create_hard_link(shop_ / "data/a", shop_ / "data/sub/same");
    fs::create_symlink("../a", shop_ / "data/sub/link");
    fs::create_hard_link(shop_ / "data/sub/link", shop_ / "data/sub/same-link");
    shop_.write("data/hole", "x");
    fs::resize_file(shop_ / "data/hole", 5 << 20);
    fs::permissions(shop_ / "data/a", fs::perms(0640));
  }
  void configure(const std::string& more) const {
    shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" +
                       (shop_ / "data") + "]\n    exclude: ['*.tmp']\n" + more);
  }
  std::string shell(const std::string& line) const {
    ProcessOptions options;
    options.argv = {"bash", "-o", "pipefail", "-c", line};
    options.working_directory = shop_.path();
    const ProcessResult result = run_process(options);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.error_output;
    return result.output;
  }
  // Where data/ is below `root`.
  std::string restored(const std::string& root) const { return (shop_ / root) + (shop_ / "data"); }
  void expect_same(const std::string& root) const {
    const std::string there = restored(root);
    shell("diff -r --exclude='*.tmp' --exclude=socket data " + there);
    EXPECT_FALSE(fs::exists(there + "/sub/b.tmp"));
    EXPECT_TRUE(fs::equivalent(there + "/a", there + "/sub/same"));
    EXPECT_EQ(fs::read_symlink(there + "/sub/link"), "../a");
    EXPECT_EQ(fs::read_symlink(there + "/sub/same-link"), "../a");
    struct stat status {};
    EXPECT_EQ(::lstat((there + "/sub/link").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 2u);
    EXPECT_EQ(::stat((there + "/a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777u, 0640u);
    EXPECT_EQ(fs::last_write_time(there + "/a"), fs::last_write_time(shop_ / "data/a"));
  }

  Workshop shop_;
};

TEST_F(FileArchive, TarReadsThemAndSoDoesRestore) {
  ASSERT_EQ(::mknod((shop_ / "data/socket").c_str(), S_IFSOCK | 0600, 0), 0);
  for (const std::string compress : {"gzip", "zstd"}) {
    configure("    format: archive\n    archive: {compress: " + compress + "}\n");
    fs::remove_all(shop_ / "vault");
    const json made = shop_.expect_json(0, {"backup", "files", "--verify"});
    const json& archive = made.at("archives").at(0);
    const std::string suffix = compress == "gzip" ? "tar.gz" : "tar.zst";
    EXPECT_EQ(archive.at("format"), suffix);
    EXPECT_EQ(archive.at("sockets_skipped"), 1);
    const std::string file = shop_ / ("vault/" + archive.at("key").get<std::string>());
    fs::create_directory(shop_ / ("by-tar-" + compress));
    shell(std::string("tar ") + (compress == "gzip" ? "-xzf " : "--zstd -xf ") + file +
          " -C by-tar-" + compress);
    expect_same("by-tar-" + compress);
    shop_.expect(0, {"restore", "latest:web", "--target", shop_ / ("by-us-" + compress)});
    expect_same("by-us-" + compress);
  }
}

TEST_F(FileArchive, APartAndWhatIsThereAlready) {
  configure("    format: archive\n");
  shop_.expect(0, {"backup", "files"});
  shop_.expect(
      0, {"restore", "latest:web", "--target", shop_ / "part", "--include", shop_ / "data/a"});
  EXPECT_TRUE(fs::exists(restored("part") + "/a"));
  EXPECT_FALSE(fs::exists(restored("part") + "/sub"));
  shop_.write("part" + (shop_ / "data") + "/a", "mine\n");
  const json kept = shop_.expect_json(3, {"restore", "latest:web", "--target", shop_ / "part"});
  EXPECT_EQ(kept.at("skipped"), 1);
  EXPECT_EQ(shell("cat " + restored("part") + "/a"), "mine\n");
  shop_.expect(0, {"restore", "latest:web", "--target", shop_ / "part", "--overwrite", "always"});
  expect_same("part");
  shop_.expect(10, {"restore", "latest:web", "--into", "source"});
}

TEST_F(FileArchive, NothingIsWrittenThroughLinks) {
  configure("    format: archive\n");
  shop_.expect(0, {"backup", "files"});
  fs::create_directories(restored("part"));
  fs::create_directory(shop_ / "outside");
  fs::create_directory_symlink(shop_ / "outside", restored("part") + "/sub");
  for (const char* how : {"never", "always"}) {
    const Outcome refused =
        shop_.expect(6, {"restore", "latest:web", "--target", shop_ / "part", "--overwrite", how});
    EXPECT_NE(refused.err.find("could lead out of"), std::string::npos) << refused.err;
    EXPECT_TRUE(fs::is_empty(shop_ / "outside"));
    EXPECT_FALSE(fs::exists(restored("part") + "/a"));
  }
  fs::remove(restored("part") + "/sub");
  // Nor into a file that has another name elsewhere.
  shop_.write("outside/mine", "mine\n");
  fs::create_hard_link(shop_ / "outside/mine", restored("part") + "/a");
  shop_.expect(0, {"restore", "latest:web", "--target", shop_ / "part", "--overwrite", "always"});
  expect_same("part");
  EXPECT_EQ(shop_.read("outside/mine"), "mine\n");
}

TEST_F(FileArchive, WhatAnInterruptedRunLeftIsFinished) {
  configure("    format: archive\n");
  shop_.expect(0, {"backup", "files"});
  const std::vector<std::string> words = {"restore", "latest:web",    "--target",   shop_ / "part",
                                          "--vault", shop_ / "vault", "--key-file", shop_ / "key"};
  // Ends in the middle of a file.
  const auto interrupt = [&] {
    shop_.write("bin/tar",
                "#!/bin/sh\n/usr/bin/tar \"$@\" || exit 2\ncase \"$*\" in *--extract*) "
                "truncate -s 5 " +
                    restored("part") + "/sub/c; exit 2 ;; esac\n");
    fs::permissions(shop_ / "bin/tar", fs::perms(0755));
    EXPECT_EQ(shop_.run(words, {{"PATH", (shop_ / "bin") + ":/usr/bin:/bin"}}).code, 10);
    EXPECT_EQ(fs::file_size(restored("part") + "/sub/c"), 5u);
  };
  interrupt();
  shop_.expect(0, {"restore", "latest:web", "--target", shop_ / "part"});
  expect_same("part");
  EXPECT_EQ(shell("ls -A part | grep -c holdfast-unpacking || true"), "0\n");
  // Where something was before, nobody knows whose it is.
  interrupt();
  const Outcome refused = shop_.expect(6, {"restore", "latest:web", "--target", shop_ / "part"});
  EXPECT_NE(refused.err.find("--overwrite always"), std::string::npos) << refused.err;
  shop_.expect(0, {"restore", "latest:web", "--target", shop_ / "part", "--overwrite", "always"});
  expect_same("part");
}

TEST_F(FileArchive, AnUnreadableFileIsAWarningAndTheRestIsThere) {
  configure("    format: archive\n");
  fs::create_directory(shop_ / "gone");
  shop_.write_config("sources:\n  - name: web\n    class: files\n    paths: [" + (shop_ / "data") +
                     ", " + (shop_ / "nowhere") + "]\n    format: archive\n");
  const json made = shop_.expect_json(3, {"backup", "files"});
  EXPECT_EQ(made.at("archives").size(), 1u);
  EXPECT_EQ(made.at("warnings").size(), 1u);
  shop_.expect(0, {"validate", "latest:web"});
}

TEST_F(FileArchive, AnArchiveInABucketIsUploadedInParts) {
  MiniS3 server;
  const std::map<std::string, std::string> environment = {
      {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
      {"AWS_SECRET_ACCESS_KEY", "secret-example"},
      {"AWS_SESSION_TOKEN", ""},
      {"AWS_PROFILE", ""},
      {"AWS_CA_BUNDLE", ""},
      {"AWS_ENDPOINT_URL_S3", ""},
      {"AWS_ENDPOINT_URL", server.url()},
      {"AWS_REGION", "us-east-1"},
      {"no_proxy", "127.0.0.1"}};
  shell("head -c 18000000 /dev/urandom > data/random");
  configure("    format: archive\n");
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--vault", "s3://backups"});
    const Outcome outcome = shop_.run(std::move(words), environment);
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    return outcome;
  };
  const json made = run({"backup", "files", "--json"}).document();
  EXPECT_GT(made.at("archives").at(0).at("size").get<std::uint64_t>(), 18'000'000u);
  run({"validate"});
  run({"restore", "latest:web", "--target", shop_ / "back"});
  expect_same("back");
}

// An object that lies in GLACIER until it was asked for.
class ColdArchive : public FileArchive {
 protected:
  ColdArchive() {
    configure("    format: archive\n");
    const json made = run({"backup", "files", "--json"}).document();
    size_ = std::to_string(made.at("archives").at(0).at("size").get<int>());
    server_.set_plan(
        [this](const MiniS3::Received& received, unsigned) { return answer(received); });
  }
  Outcome run(std::vector<std::string> words) const {
    words.insert(words.end(), words.front() == "recover"
                                  ? std::initializer_list<std::string>{"--from", "s3://backups"}
                                  : std::initializer_list<std::string>{"--vault", "s3://backups"});
    return shop_.run(std::move(words), {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                        {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                        {"AWS_SESSION_TOKEN", ""},
                                        {"AWS_PROFILE", ""},
                                        {"AWS_CA_BUNDLE", ""},
                                        {"AWS_ENDPOINT_URL_S3", ""},
                                        {"AWS_ENDPOINT_URL", server_.url()},
                                        {"AWS_REGION", "us-east-1"},
                                        {"no_proxy", "127.0.0.1"}});
  }
  std::optional<MiniS3::Fault> answer(const MiniS3::Received& received) {
    if (received.target.find(".tar.gz") == std::string::npos) return std::nullopt;
    if (received.method == "POST") {
      ++asked_;
      return MiniS3::Fault{{.status = 202}};
    }
    if (received.method == "HEAD") {
      MiniS3::Reply reply{.headers = {{"x-amz-storage-class", "GLACIER"},
                                      {"last-modified", "Sun, 22 Nov 2026 17:00:00 GMT"},
                                      {"content-length", size_}}};
      if (asked_ > 0) reply.headers.emplace_back("x-amz-restore", restored());
      return MiniS3::Fault{reply};
    }
    if (ready_) return std::nullopt;
    return MiniS3::Fault{{.status = 403, .body = "<Error><Code>InvalidObjectState</Code></Error>"}};
  }
  std::string restored() const {
    return ready_ ? "ongoing-request=\"false\", expiry-date=\"Fri, 27 Nov 2026 00:00:00 GMT\""
                  : "ongoing-request=\"true\"";
  }

  std::string size_;
  std::atomic<int> asked_ = 0;
  std::atomic<bool> ready_ = false;
  MiniS3 server_;  // last: its threads use the rest
};

TEST_F(ColdArchive, IsAskedForOnceAndComesBackWhenItCanBeRead) {
  for (const std::string command : {"restore", "recover"}) {
    asked_ = 0;
    ready_ = false;
    std::vector<std::string> words = {command, "--target", shop_ / ("by-" + command)};
    if (command == "restore") words.emplace_back("latest:web");
    std::vector<std::string> dry = words;
    dry.emplace_back("--dry-run");
    const Outcome planned = run(dry);
    EXPECT_EQ(planned.code, 0) << planned.err;
    EXPECT_NE(planned.out.find("would wait for"), std::string::npos) << planned.out;
    EXPECT_EQ(asked_, 0);
    std::vector<std::string> at_once = words;
    at_once.emplace_back("--no-wait");
    EXPECT_EQ(run(at_once).code, 8);
    EXPECT_EQ(asked_, 1);
    EXPECT_EQ(run(at_once).code, 8);
    EXPECT_EQ(asked_, 1);
    ready_ = true;
    const Outcome back = run(words);
    EXPECT_EQ(back.code, 0) << back.out << back.err;
    expect_same(command == "restore" ? "by-restore" : "by-recover/files/web");
  }
}

TEST_F(FileArchive, AFullStoreLeavesNoObject) {
  configure("    format: archive\n");
  shop_.write("data/random", "");
  shell("head -c 20000000 /dev/urandom > data/random");
  // Files may not become larger than 1 MiB here: the archive is cut off in its middle.
  const std::string program = std::string("'") + HOLDFAST_BINARY + "' backup files --vault '" +
                              (shop_ / "vault") + "' --config '" + (shop_ / "holdfast.yaml") + "'";
  const std::string code =
      shell("trap '' XFSZ; ulimit -f 1024; " + program + " >out 2>&1; echo $?");
  EXPECT_EQ(code, "9\n") << shell("cat out");
  EXPECT_EQ(shell("find vault -name '*.tar.gz'"), "");
}

TEST_F(FileArchive, ARestoreInPlaceStopsKeepsAndStarts) {
  const std::string note = "echo $HOLDFAST_EVENT $HOLDFAST_STATUS >> " + (shop_ / "turns");
  configure("    restore:\n      before: ['" + note + "']\n      after: ['" + note + "']\n");
  shop_.init();
  shop_.expect(0, {"backup", "files"});
  shop_.write("data/a", "changed\n");
  shop_.expect(0, {"restore", "latest:web", "--target", shop_ / "beside"});
  EXPECT_FALSE(fs::exists(shop_ / "turns"));
  const std::vector<std::string> words = {"restore", "latest:web",  "--target",
                                          "/",       "--overwrite", "if-changed"};
  std::vector<std::string> dry = words;
  dry.emplace_back("--dry-run");
  EXPECT_NE(shop_.expect(0, dry).out.find("4. safety backup"), std::string::npos);
  EXPECT_FALSE(fs::exists(shop_ / "turns"));
  const Outcome done = shop_.expect(0, words);
  EXPECT_EQ(shell("cat turns"), "restore.before\nrestore.after success\n");
  EXPECT_EQ(shop_.read("data/a"), "first\n");
  EXPECT_NE(done.out.find("-web-before-restore"), std::string::npos) << done.out;
  shop_.expect(0, {"restore", "latest:web-before-restore", "--target", shop_ / "before"});
  EXPECT_EQ(shell("cat " + restored("before") + "/a"), "changed\n");
}

}  // namespace
}  // namespace holdfast
