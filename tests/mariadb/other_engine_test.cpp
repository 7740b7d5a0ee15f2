// A restore in place of a server of the other engine: refused while that runs, and complete after.
#include <gtest/gtest.h>

#include <filesystem>

#include "mariadb/shop.h"
#include "os/file.h"
#include "postgres/shop.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kOver{"--overwrite", "if-changed", "--delete"};

// The directories of tests are their servers' own.
void let_others_in(const std::string& directory) {
  fs::permissions(directory, fs::perms::others_exec | fs::perms::group_exec, fs::perm_options::add);
}

void copy_with_owners(const std::string& from, const std::string& to) {
  ProcessOptions options;
  options.argv = {"cp", "-a", from, to};
  ASSERT_EQ(run_process(options, {}).exit_code, 0);
}

TEST(OtherEngine, PostgresqlComesBackInPlaceOfMariadb) {
  PostgresServer source;
  source.start();
  source.query("CREATE TABLE t AS SELECT 1 AS id");
  const Shop shop(source);
  shop.back_up();
  PostgresServer place("place");
  let_others_in(place.path());
  {
    TestMariadb first;
    first.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)"});
    first.stop();
    copy_with_owners(first.data_directory(), place.data());
  }
  TestMariadb there = TestMariadb::on(place.data());
  const std::string contents = there.contents();
  const Outcome refused = shop.restore(place, kOver, 6);
  EXPECT_NE(refused.err.find("a server runs on"), std::string::npos) << refused.err;
  EXPECT_EQ(there.contents(), contents);
  there.stop();

  const Outcome done = shop.restore(place, kOver);
  EXPECT_NE(done.out.find("-before-restore"), std::string::npos) << done.out;
  EXPECT_FALSE(path_exists(place.data() + "/ibdata1"));
  start_restored(place);
  EXPECT_EQ(place.query("SELECT count(*) FROM t"), "1");
}

TEST(OtherEngine, MariadbComesBackInPlaceOfPostgresql) {
  TestMariadb source;
  source.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)",
              "INSERT INTO shop.t VALUES (1)"});
  const MariadbShop shop(source);
  shop.back_up();
  PostgresServer there;
  let_others_in(there.path());
  there.start();
  std::vector<std::string> words{"restore", "latest:shop", "--target", there.data()};
  words.insert(words.end(), kOver.begin(), kOver.end());
  const Outcome refused = shop.expect(6, words);
  EXPECT_NE(refused.err.find("a server runs in"), std::string::npos) << refused.err;
  EXPECT_EQ(there.query("SELECT 1"), "1");
  there.stop();

  const Outcome done = shop.expect(0, words);
  EXPECT_NE(done.out.find("-before-restore"), std::string::npos) << done.out;
  EXPECT_FALSE(path_exists(there.data() + "/PG_VERSION"));
  EXPECT_EQ(TestMariadb::on(there.data()).sql("SELECT count(*) FROM shop.t"), "1");
}

}  // namespace
}  // namespace holdfast
