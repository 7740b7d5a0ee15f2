// What holds for every command: options, errors, exit codes, JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/support.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Program, TellsItsVersion) {
  const Workshop shop;
  EXPECT_THAT(shop.run({"version"}).out, HasSubstr("holdfast 0."));
  const json document = shop.run({"version", "--json"}).document();
  EXPECT_EQ(document.at("format"), 1);
  EXPECT_TRUE(document.at("libraries").contains("zstd"));
  EXPECT_EQ(shop.run({"--version"}).out, shop.run({"version"}).out);
}

TEST(Program, HelpHasExamplesForEveryCommand) {
  const Workshop shop;
  const Outcome all = shop.run({"help"});
  EXPECT_EQ(all.code, 0);
  for (const char* name : {"init", "backup", "list", "show", "diff", "find", "cat", "restore",
                           "validate", "copy", "retention", "forget", "prune", "lifecycle",
                           "repair", "stats", "store", "key", "version"}) {
    EXPECT_THAT(all.out, HasSubstr(std::string("  ") + name + " "));
    const Outcome help = shop.run({name, "--help"});
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  h")) << name;
    EXPECT_EQ(shop.run({"help", name}).out, help.out);
  }
}

TEST(Program, SuggestsWhatWasMeant) {
  const Workshop shop;
  const auto usage = [&](std::vector<std::string> arguments, const std::string& hint) {
    const Outcome result = shop.run(std::move(arguments));
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr("holdfast: "));
    EXPECT_THAT(result.err, HasSubstr("\n  " + hint));
    EXPECT_EQ(result.out, "");
  };
  usage({"bakup"}, "did you mean 'backup'?");
  usage({"list", "--sorce=x"}, "did you mean '--source'?");
  usage({"list", "--quite"}, "did you mean '--quiet'?");
  usage({"key", "ad"}, "did you mean 'add'?");
  usage({"backup", "fils"}, "did you mean 'files'?");
  usage({"frobnicate"}, "the commands are: init, check, backup");
  usage({"retention"}, "the commands are: show, apply");
  usage({"restore"}, "see: holdfast restore --help");
  usage({"list", "--progress", "loud"}, "see: holdfast list --help");
  usage({"restore", "latest"}, "say where to restore to: --target DIR");
  usage({}, "the commands are: init");
}

// Only the command that a line seems to name is made at first.
TEST(Program, WordsThatCouldBeCommandsAreNoTrap) {
  const Workshop shop;
  EXPECT_EQ(shop.run({"--vault", "list", "version"}).out, shop.run({"version"}).out);
  EXPECT_EQ(shop.run({"--help", "version"}).out, shop.run({"version", "--help"}).out);
  EXPECT_EQ(shop.run({"help", "list"}).out, shop.run({"list", "--help"}).out);
  EXPECT_THAT(shop.run({"--vault", "list"}).err, HasSubstr("the commands are: init, check"));
  EXPECT_THAT(shop.run({"version", "list"}).err, HasSubstr("unknown argument 'list'"));
}

TEST(Program, ErrorsAreDocumentsWithJson) {
  const Workshop shop;
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"bakup", "--json"}, {"--json", "list", "--vault", shop / "nowhere"}}) {
    const Outcome result = shop.run(arguments);
    const json error = result.document().at("error");
    EXPECT_EQ(error.at("exit_code"), result.code);
    EXPECT_THAT(error.at("message").get<std::string>(), Not(testing::IsEmpty()));
    EXPECT_THAT(error.at("hint").get<std::string>(), Not(testing::IsEmpty()));
    EXPECT_THAT(result.err, HasSubstr(error.at("message").get<std::string>()));
  }
  EXPECT_EQ(shop.run({"bakup", "--json"}).document().at("error").at("code"), "usage");
}

TEST(Program, GlobalOptionsStandAnywhere) {
  const Workshop shop;
  shop.init();
  const std::vector<std::string> access{"--vault", shop / "vault", "--key-file", shop / "key"};
  std::vector<std::string> before = access;
  before.insert(before.end(), {"--json", "key", "list"});
  std::vector<std::string> after{"key", "list", "--json"};
  after.insert(after.end(), access.begin(), access.end());
  EXPECT_EQ(shop.run(before).document(), shop.run(after).document());
  EXPECT_EQ(shop.run({"list", "--json"},
                     {{"HOLDFAST_VAULT", shop / "vault"}, {"HOLDFAST_KEY_FILE", shop / "key"}})
                .code,
            0);
}

TEST(Program, ACommandEndsAtItsDeadline) {
  const Workshop shop;
  shop.init();
  shop.expect(0, {"list", "--deadline", "1h"});
  shop.expect(2, {"list", "--deadline", "soon"});
  shop.expect(2, {"list", "--deadline", "0s"});
  // A store that nobody answers for would be waited for five minutes.
  const Outcome late = shop.run({"list", "--vault", "s3://bucket", "--deadline", "1s", "--json"},
                                {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                 {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                 {"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}});
  EXPECT_EQ(late.code, 12) << late.err;
  EXPECT_THAT(late.err, HasSubstr("did not end within 1s"));
  EXPECT_EQ(late.document().at("error").at("code"), "timed-out");
  EXPECT_EQ(late.document().at("error").at("exit_code"), 12);
}

// Somebody who mistyped the endpoint sees what the program waits for.
TEST(Program, SaysThatAStoreDoesNotAnswer) {
  const Workshop shop;
  const Outcome gone = shop.run({"list", "--vault", "s3://bucket", "--deadline", "8s"},
                                {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                 {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                 {"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}});
  EXPECT_EQ(gone.code, 12) << gone.err;
  EXPECT_THAT(gone.err, HasSubstr("no answer from 127.0.0.1:1"));
  EXPECT_THAT(gone.err, HasSubstr("Ctrl-C ends"));
  EXPECT_THAT(gone.err, HasSubstr("waiting for the store: cannot read s3://bucket"));
}

// The parser's own signs are ordinary names of files.
TEST(Program, WordsComeThroughAsTheyWereTyped) {
  const Workshop shop;
  shop.init();
  for (const std::string name : {"ab", "a", "b"}) shop.write(name, "wrong\n");
  for (const std::string name : {"[ab]", "[a,b]", "[[ab]]", "[]", "++", "{}", "%%", "[ab]\1"}) {
    SCOPED_TRACE(name);
    shop.write(name, "right\n");
    const json document = shop.expect_json(0, {"backup", "files", name, "--name", "words"});
    const json& backup = document.at("backups").at(0);
    const std::string id = backup.at("id");
    EXPECT_EQ(shop.expect(0, {"cat", id, shop / name}).out, "right\n");
    shop.expect(0, {"restore", id, "-t", name + "+[out]", "--exclude", "[zz]"});
    EXPECT_EQ(shop.read(name + "+[out]" + (shop / name)), "right\n");
  }
  EXPECT_THAT(shop.expect(2, {"list", "[ab]"}).err, HasSubstr("'[ab]'"));
  EXPECT_THAT(shop.expect(2, {"find", "a", "--type", "[f]"}).err, HasSubstr("'[f]'"));
}

TEST(Program, ConfigurationProblemsNameFileAndLine) {
  const Workshop shop;
  EXPECT_EQ(shop.run({"list", "--config", shop / "none.yaml"}).code, 4);
  shop.write("bad.yaml", "vault: /x\nsorces: []\n");
  const Outcome result = shop.run({"list", "--config", shop / "bad.yaml"});
  EXPECT_EQ(result.code, 10);
  EXPECT_THAT(result.err, HasSubstr("bad.yaml:2:"));
  EXPECT_THAT(result.err, HasSubstr("sources"));
}

TEST(Program, SaysWhenThereIsNoVault) {
  const Workshop shop;
  shop.write("some/file", "x");
  EXPECT_THAT(shop.run({"list"}).err, HasSubstr("no vault was given"));
  EXPECT_EQ(shop.run({"list"}).code, 2);
  const Outcome nothing = shop.run({"list", "--vault", shop / "nowhere"});
  EXPECT_EQ(nothing.code, 4);
  EXPECT_THAT(nothing.err, HasSubstr("check the path"));
  EXPECT_EQ(shop.run({"list", "--vault", shop / "some"}).code, 4);
  EXPECT_EQ(shop.run({"list", "--vault", "ftp://x/y"}).code, 10);
}

TEST(Init, MakesVaultAndKeyThatOnlyTheOwnerReads) {
  const Workshop shop;
  const json document = shop.expect_json(0, {"init"});
  EXPECT_TRUE(document.at("key_file_created").get<bool>());
  struct stat status {};
  ASSERT_EQ(::stat((shop / "key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0600u);
  ASSERT_EQ(::stat((shop / "vault").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0700u);
}

TEST(Init, RefusesAnExistingVaultAndKeepsItsKey) {
  const Workshop shop;
  shop.init();
  const std::string key = shop.read("key");
  EXPECT_THAT(shop.expect(6, {"init"}).err, HasSubstr("holds a vault already"));
  EXPECT_EQ(shop.read("key"), key);
  // Nor does a new key file appear for a vault that was not made.
  EXPECT_EQ(shop.run({"init", "--vault", shop / "vault", "--key-file", shop / "other"}).code, 6);
  const Outcome within =
      shop.run({"init", "--vault", shop / "vault/inner", "--key-file", shop / "key"});
  EXPECT_EQ(within.code, 6);
  EXPECT_THAT(within.err, HasSubstr("lies within the vault"));
  EXPECT_EQ(shop.listing("other"), "(nothing)");
}

TEST(Init, RefusesADirectoryWithOtherThings) {
  const Workshop shop;
  shop.write("vault/files", "x");
  EXPECT_EQ(shop.holdfast({"init"}).code, 6);
  EXPECT_EQ(shop.listing("key"), "(nothing)");
}

TEST(Init, UsesAnExistingKeyFile) {
  const Workshop shop;
  shop.init();
  EXPECT_EQ(shop.run({"init", "--vault", shop / "second", "--key-file", shop / "key"}).code, 0);
  EXPECT_EQ(shop.run({"list", "--vault", shop / "second", "--key-file", shop / "key"}).code, 0);
  shop.write("not-a-key", "hello");
  const Outcome wrong =
      shop.run({"init", "--vault", shop / "third", "--key-file", shop / "not-a-key"});
  EXPECT_EQ(wrong.code, 10);
  EXPECT_EQ(shop.read("not-a-key"), "hello");
}

TEST(Init, TakesEverythingFromTheConfiguration) {
  const Workshop shop;
  shop.write("data/a", "x");
  shop.write_config("vault: " + (shop / "v") + "\nkey_file: " + (shop / "k") + "\n");
  EXPECT_EQ(shop.run({"init"}).code, 0);
  EXPECT_EQ(shop.run({"backup", "files", shop / "data"}).code, 0);
  EXPECT_EQ(shop.run({"cat", "latest", shop / "data/a"}).out, "x");
  // What is given on the command line counts more.
  EXPECT_EQ(shop.run({"list", "--key-file", shop / "none"}).code, 4);
}

TEST(Init, WithAPassphrase) {
  const Workshop shop;
  const std::vector<std::string> list{"list", "--vault", shop / "vault"};
  EXPECT_EQ(shop.run({"init", "--vault", shop / "vault"}, {{"HOLDFAST_PASSPHRASE", "open"}}).code,
            0);
  EXPECT_EQ(shop.run(list, {{"HOLDFAST_PASSPHRASE", "open"}}).code, 0);
  const Outcome wrong = shop.run(list, {{"HOLDFAST_PASSPHRASE", "shut"}});
  EXPECT_EQ(wrong.code, 7);
  EXPECT_THAT(wrong.err, HasSubstr("wrong passphrase"));
  const Outcome none = shop.run(list);
  EXPECT_EQ(none.code, 7);
  EXPECT_THAT(none.err, HasSubstr("no key was given"));
}

}  // namespace
}  // namespace holdfast
