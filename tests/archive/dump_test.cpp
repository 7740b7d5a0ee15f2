// Dumps as text: what is taken out of them, and what is read in them on the way.
#include "source/postgres/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protect/archive_backup.h"
#include "protect/archive_check.h"
#include "source/mariadb/dump_filter.h"
#include "source/postgres/load.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

// As pg_dump 15 prints it with --create.
constexpr const char* kWithCreate = R"(--
-- PostgreSQL database dump
--

\restrict TOKEN

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
SET a = 0;

--
-- Name: shop; Type: DATABASE; Schema: -; Owner: app
--

CREATE DATABASE shop WITH TEMPLATE = template0;


ALTER DATABASE shop OWNER TO app;

\unrestrict TOKEN
\connect shop
\restrict TOKEN

SET b = 0;

--
-- Name: DATABASE shop; Type: COMMENT; Schema: -; Owner: app
--

COMMENT ON DATABASE shop IS 'x';


--
-- Name: t; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.t (v text);
ALTER TABLE public.t OWNER TO "odd ""owner""";

--
-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.t (v) FROM stdin;
-- Name: shop; Type: DATABASE; Schema: -; Owner: app
ALTER TABLE public.t OWNER TO nobody;
\.


--
-- Name: DATABASE shop; Type: ACL; Schema: -; Owner: app
--

GRANT CONNECT ON DATABASE shop TO reader;


--
-- PostgreSQL database dump complete
--

\unrestrict TOKEN

)";

template <typename Filter>
std::string filtered(Filter& filter, const std::string& text, std::size_t piece) {
  for (std::size_t at = 0; at < text.size(); at += piece) {
    filter.write(as_bytes(std::string_view(text).substr(at, piece)));
  }
  filter.finish();
  return {};
}

std::string without_database(const std::string& text, std::size_t piece) {
  std::string out;
  PgDatabaseFilter filter([&out](ByteView bytes) { out += as_text(bytes); });
  filtered(filter, text, piece);
  return out;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(DatabaseFilter, TakesOutWhatIsAboutTheDatabase) {
  const std::string out = without_database(kWithCreate, 1 << 20);
  for (const char* gone :
       {"CREATE DATABASE", "ALTER DATABASE", "\\connect", "COMMENT ON DATABASE", "GRANT CONNECT"}) {
    EXPECT_EQ(count_of(out, gone), 0u) << gone;
  }
  EXPECT_EQ(count_of(out, "\\restrict TOKEN"), 1u);
  EXPECT_EQ(count_of(out, "\\unrestrict TOKEN"), 1u);
  for (const char* kept :
       {"SET a = 0;", "SET b = 0;", "CREATE TABLE public.t (v text);",
        "FROM stdin;\n-- Name: shop; Type: DATABASE; Schema: -; Owner: app\nALTER TABLE"}) {
    EXPECT_EQ(count_of(out, kept), 1u) << kept;
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    EXPECT_EQ(without_database(kWithCreate, piece), out) << piece;
  }
}

TEST(DatabaseFilter, OthersPassUnchanged) {
  const std::string long_line(3 << 20, 'x');
  for (const std::string& text :
       std::vector<std::string>{"", "SELECT 1;\n", "no end", "\n\n",
                                "COPY t FROM stdin;\n" + long_line + "\n\\.\n" + long_line}) {
    EXPECT_EQ(without_database(text, 65536), text);
  }
}

TEST(DumpWatch, FindsRolesVersionAndEnd) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{13}, std::size_t{1} << 20}) {
    DumpWatch watch;
    const std::string text = kWithCreate;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      watch.see(as_bytes(std::string_view(text).substr(at, piece)));
    }
    EXPECT_THAT(watch.roles(), ElementsAre("app", "odd \"owner\"", "reader"));
    EXPECT_EQ(watch.server_version(), 150018);
    EXPECT_TRUE(watch.is_postgres());
    EXPECT_TRUE(watch.is_complete());
    EXPECT_EQ(watch.bytes(), text.size());
  }
  DumpWatch cut;
  cut.see(as_bytes(std::string_view(kWithCreate).substr(0, 900)));
  EXPECT_FALSE(cut.is_complete());
}

constexpr const char* kTwoDatabases = R"(-- MariaDB dump 10.19
SET x = 1;

--
-- Current Database: `one`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `one`;

USE `one`;
CREATE TABLE `a` (i int);

--
-- Current Database: `tw``o`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `tw``o`;

USE `tw``o`;
CREATE TABLE `b` (i int);
-- Dump completed
)";

TEST(MariadbFilter, GivesOneDatabaseOfSeveral) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1} << 20}) {
    std::string out;
    MariadbDatabaseFilter two("tw`o", [&out](ByteView bytes) { out += as_text(bytes); });
    filtered(two, kTwoDatabases, piece);
    EXPECT_TRUE(two.found());
    EXPECT_EQ(count_of(out, "SET x = 1;"), 1u);
    EXPECT_EQ(count_of(out, "CREATE TABLE `b`"), 1u);
    for (const char* gone : {"`a`", "CREATE DATABASE", "USE `"}) {
      EXPECT_EQ(count_of(out, gone), 0u) << gone;
    }
  }
  MariadbDatabaseFilter none("three", [](ByteView) {});
  filtered(none, kTwoDatabases, 100);
  EXPECT_FALSE(none.found());
  MariadbDatabaseFilter any("", [](ByteView) {});
  filtered(any, kTwoDatabases, 100);
  EXPECT_TRUE(any.ambiguous());
}

TEST(ArchiveSource, NamesOfDatabasesStayApart) {
  EXPECT_EQ(archive_source("app", "shop"), "app-shop");
  EXPECT_NE(archive_source("app", "Shop"), "app-shop");
  EXPECT_NE(archive_source("app", "a b"), archive_source("app", "a-b"));
  EXPECT_NE(archive_source("app", "a b"), archive_source("app", "a/b"));
  const std::string name = archive_source("app", std::string(200, 'x'));
  EXPECT_LE(name.size(), 63u);
  EXPECT_NE(name, archive_source("app", std::string(201, 'x')));
}

TEST(DumpPath, TellsItsDatabase) {
  EXPECT_EQ(database_of_dump("shop.sql"), "shop");
  EXPECT_EQ(database_of_dump("a%2Fb%25.dump"), "a/b%");
  EXPECT_EQ(database_of_dump("~globals.sql"), "");
}

}  // namespace
}  // namespace holdfast
