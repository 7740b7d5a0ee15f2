// What a replica says when it stops, and which statements are about one object alone.
#include "source/mariadb/failed_statement.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(FailedStatement, IsReadAsServersSayIt) {
  const auto alone = parse_failed_statement(
      "Error 'Unknown database 'archive'' on query. Default database: 'archive'. Query: 'CREATE "
      "DEFINER=`root`@`localhost` PROCEDURE `p`()\nSELECT 'a''b''");
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->message, "Unknown database 'archive'");
  EXPECT_EQ(alone->database, "archive");
  EXPECT_EQ(alone->statement, "CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()\nSELECT 'a''b'");
  EXPECT_EQ(alone->transaction, "");
  EXPECT_EQ(needed_databases(*alone), std::vector<std::string>{"archive"});
  const auto worker = parse_failed_statement(
      "Worker 1 failed executing transaction '3e11fa47-71ca-11e1-9e33-c80aa9429562:blue:7' at "
      "source log , end_log_pos 512; Error 'PROCEDURE archive.p does not exist' on query. Default "
      "database: ''. Query: 'drop procedure archive.p'");
  ASSERT_TRUE(worker);
  EXPECT_EQ(worker->transaction, "3e11fa47-71ca-11e1-9e33-c80aa9429562:blue:7");
  EXPECT_EQ(worker->statement, "drop procedure archive.p");
  EXPECT_TRUE(needed_databases(*worker).empty());
  for (const char* other :
       {"", "Could not execute Write_rows event on table shop.t; Duplicate entry '1' for key",
        "Relay log read failure: Could not parse relay log event entry."}) {
    EXPECT_FALSE(parse_failed_statement(other)) << other;
  }
}

std::string object_of(const std::string& statement) {
  return database_of_object({"", "session", statement, ""});
}

TEST(FailedStatement, RoutinesEventsAndRightsBelongToADatabase) {
  EXPECT_EQ(object_of("CREATE PROCEDURE archive.p() SELECT 1"), "archive");
  EXPECT_EQ(object_of("CREATE DEFINER=`event`@`function` PROCEDURE `p`() SELECT 1"), "session");
  EXPECT_EQ(object_of("create definer = current_user function `ar``chive` . f() returns int"),
            "ar`chive");
  EXPECT_EQ(object_of("/* it */ DROP /* now */ FUNCTION IF EXISTS archive.f -- gone"), "archive");
  EXPECT_EQ(object_of("CREATE /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `archive`.`e` */ ON"),
            "archive");
  EXPECT_EQ(object_of("CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t"),
            "session");
  EXPECT_EQ(object_of("ALTER EVENT archive.e DISABLE"), "archive");
  EXPECT_EQ(object_of("ALTER EVENT archive.e RENAME TO archive.f"), "archive");
  EXPECT_EQ(object_of("ALTER EVENT archive.e ON COMPLETION PRESERVE DO ALTER TABLE t RENAME u"),
            "archive");
  EXPECT_EQ(object_of("GRANT SELECT ON archive.t TO u WITH GRANT OPTION"), "archive");
  EXPECT_EQ(object_of("GRANT SELECT, UPDATE (a, `on`) ON archive.t TO 'u'@'%'"), "archive");
  EXPECT_EQ(object_of("revoke execute on procedure `archive`.`p` from u"), "archive");
  EXPECT_EQ(object_of("GRANT SELECT ON t TO u"), "session");
}

TEST(FailedStatement, ATableIsMovedIntoADatabase) {
  const auto needed = [](const std::string& statement) {
    return needed_databases({"Error on rename of './a/t' to './b/t'", "session", statement, ""});
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(needed("RENAME TABLE a.t TO `b c`.t, a.u to d . u, a.v TO v"), (Names{"b c", "d"}));
  EXPECT_EQ(needed("ALTER TABLE a.t RENAME TO b.t"), Names{"b"});
  EXPECT_EQ(needed("alter table a.t rename b.t"), Names{"b"});
  EXPECT_EQ(needed("ALTER TABLE a.t RENAME AS t"), Names{});
  EXPECT_EQ(needed("INSERT INTO a.t SELECT b.x AS c FROM b.t"), Names{});
}

// What does more than that must not be left out.
TEST(FailedStatement, OthersDoNot) {
  for (const char* statement :
       {"INSERT INTO shop.t SELECT archive.f(1)",
        "RENAME TABLE shop.t TO archive.t",
        "DROP TABLE shop.t, archive.t",
        "CREATE TABLE shop.t (event INT)",
        "CREATE TABLE t (a INT COMMENT 'EVENT x')",
        "ALTER EVENT archive.e RENAME TO shop.e",
        "DROP USER archive",
        "CREATE AGGREGATE FUNCTION f RETURNS INT SONAME 'f.so'",
        "CREATE DEFINER=`a`@`b` TRIGGER archive.t BEFORE INSERT ON archive.x FOR EACH ROW SET @a=1",
        "GRANT ALL ON archive.* TO u",
        "GRANT ALL ON *.* TO u",
        "GRANT archive TO u",
        "ALTER EVENT archive.e RENAME TO e",
        "GRANT SELECT ON archive.t TO u IDENTIFIED BY 'x'",
        "GRANT SELECT ON archive.t TO u REQUIRE SSL",
        "GRANT PROXY ON a TO b",
        "GRANT PROXY ON 'a'@'b' TO 'c'@'d'",
        "CALL archive.p()",
        "DROP",
        "GRANT",
        "CREATE PROCEDURE",
        "GRANT SELECT ON",
        "",
        "`",
        "/*",
        "UPDATE shop.t SET a = 1"}) {
    EXPECT_EQ(object_of(statement), "") << statement;
  }
}

}  // namespace
}  // namespace holdfast
