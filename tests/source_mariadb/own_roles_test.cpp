// Which statements are about the roles of whoever runs them.
#include "source/mariadb/own_roles.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(OwnRoles, AreThoseOfWhoeverRunsTheStatement) {
  for (const char* sql :
       {"grant r to current_user", "GRANT r, s TO CURRENT_USER() WITH ADMIN OPTION",
        "GRANT r TO CURRENT_ROLE", "revoke r from current_user",
        "REVOKE ADMIN OPTION FOR r FROM CURRENT_USER",
        "SET STATEMENT max_statement_time=5 FOR GRANT r TO Current_User"}) {
    EXPECT_TRUE(is_about_own_roles(sql)) << sql;
  }
  for (const char* sql :
       {"GRANT SELECT ON shop.t TO CURRENT_USER", "GRANT r TO boss@localhost",
        "GRANT r TO 'current_user'@localhost", "CREATE ROLE r WITH ADMIN CURRENT_USER",
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM CURRENT_USER",
        "ALTER USER CURRENT_USER IDENTIFIED BY 'x'", "GRANT CURRENT_ROLE TO bob@localhost", "GRANT",
        ""}) {
    EXPECT_FALSE(is_about_own_roles(sql)) << sql;
  }
}

TEST(OwnRoles, OthersGoByThem) {
  for (const char* sql : {"SET DEFAULT ROLE 'r' FOR 'boss'@'localhost'", "REVOKE r FROM boss",
                          "GRANT r TO boss WITH ADMIN OPTION"}) {
    EXPECT_TRUE(is_about_roles(sql)) << sql;
  }
  for (const char* sql : {"SET ROLE r", "GRANT SELECT ON *.* TO boss", "REVOKE ALL FROM boss",
                          "INSERT INTO t VALUES ('GRANT r TO boss')", ""}) {
    EXPECT_FALSE(is_about_roles(sql)) << sql;
  }
}

}  // namespace
}  // namespace holdfast
