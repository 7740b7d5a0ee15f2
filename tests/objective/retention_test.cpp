#include "objective/retention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace holdfast {
namespace {

const Timestamp kToday = parse_rfc3339("2025-11-10T12:00:00Z");

PolicyLookup always(const RetentionPolicy& policy) {
  return [policy](const std::string&, const std::string&) { return policy; };
}

RetentionPolicy policy_of(const char* rule, unsigned count) {
  const std::map<std::string, std::optional<unsigned> RetentionPolicy::*> rules = {
      {"last", &RetentionPolicy::keep_last},       {"hourly", &RetentionPolicy::keep_hourly},
      {"daily", &RetentionPolicy::keep_daily},     {"weekly", &RetentionPolicy::keep_weekly},
      {"monthly", &RetentionPolicy::keep_monthly}, {"yearly", &RetentionPolicy::keep_yearly}};
  RetentionPolicy policy;
  policy.*rules.at(rule) = count;
  return policy;
}

std::vector<RetentionCandidate> backups_at(const std::vector<std::string>& times) {
  std::vector<RetentionCandidate> backups;
  for (const std::string& time : times) {
    backups.push_back({time, parse_rfc3339(time), "files", "web"});
  }
  return backups;
}

std::vector<std::string> kept(const std::vector<RetentionDecision>& plan) {
  std::vector<std::string> ids;
  for (const RetentionDecision& decision : plan) {
    if (decision.keep) ids.push_back(decision.backup.id);
  }
  return ids;
}

using Times = std::vector<std::string>;

struct Case {
  const char* what;
  const char* rule;
  unsigned count;
  Times given;
  Times kept;
};

const Case kCases[] = {
    {"last counts backups",
     "last",
     2,
     {"2025-11-10T09:00:00Z", "2025-11-10T10:00:00Z", "2025-11-10T11:00:00Z"},
     {"2025-11-10T10:00:00Z", "2025-11-10T11:00:00Z"}},
    {"hourly: the newest of the hour, the hour begins at :00",
     "hourly",
     2,
     {"2025-11-10T09:59:59Z", "2025-11-10T10:00:00Z", "2025-11-10T10:59:59Z",
      "2025-11-10T11:00:00Z"},
     {"2025-11-10T10:59:59Z", "2025-11-10T11:00:00Z"}},
    {"days without backups do not count",
     "daily",
     2,
     {"2025-01-01T00:00:00Z", "2025-06-01T00:00:00Z", "2025-11-10T01:00:00Z"},
     {"2025-06-01T00:00:00Z", "2025-11-10T01:00:00Z"}},
    {"a day begins at midnight UTC",
     "daily",
     2,
     {"2025-11-08T23:59:59Z", "2025-11-09T00:00:00Z", "2025-11-09T23:59:59Z",
      "2025-11-10T00:00:00Z"},
     {"2025-11-09T23:59:59Z", "2025-11-10T00:00:00Z"}},
    {"the day of 25 hours in New York is one of 24 in UTC",
     "daily",
     3,
     {"2025-11-02T03:30:00Z", "2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z",
      "2025-11-03T03:30:00Z"},
     {"2025-11-02T06:30:00Z", "2025-11-03T03:30:00Z"}},
    {"leap day",
     "daily",
     3,
     {"2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-02-29T13:00:00Z",
      "2024-03-01T12:00:00Z"},
     {"2024-02-28T12:00:00Z", "2024-02-29T13:00:00Z", "2024-03-01T12:00:00Z"}},
    {"weeks begin on Monday",
     "weekly",
     2,
     {"2025-11-02T23:00:00Z", "2025-11-03T00:00:00Z", "2025-11-09T23:59:59Z",
      "2025-11-10T00:00:00Z"},
     {"2025-11-09T23:59:59Z", "2025-11-10T00:00:00Z"}},
    {"30 December 2024 and 1 January 2025 are in one ISO week",
     "weekly",
     9,
     {"2024-12-29T00:00:00Z", "2024-12-30T00:00:00Z", "2025-01-01T00:00:00Z",
      "2025-01-05T00:00:00Z", "2025-01-06T00:00:00Z"},
     {"2024-12-29T00:00:00Z", "2025-01-05T00:00:00Z", "2025-01-06T00:00:00Z"}},
    {"the first week of 2024 and that of 2025 differ",
     "weekly",
     9,
     {"2024-01-02T00:00:00Z", "2024-12-31T00:00:00Z"},
     {"2024-01-02T00:00:00Z", "2024-12-31T00:00:00Z"}},
    {"monthly",
     "monthly",
     2,
     {"2025-09-30T23:59:59Z", "2025-10-01T00:00:00Z", "2025-10-31T23:59:59Z",
      "2025-11-01T00:00:00Z"},
     {"2025-10-31T23:59:59Z", "2025-11-01T00:00:00Z"}},
    {"the same month of two years",
     "monthly",
     2,
     {"2024-11-05T00:00:00Z", "2025-11-05T00:00:00Z"},
     {"2024-11-05T00:00:00Z", "2025-11-05T00:00:00Z"}},
    {"yearly",
     "yearly",
     2,
     {"2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59Z",
      "2025-01-01T00:00:00Z"},
     {"2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z"}},
};

TEST(Retention, Table) {
  for (const Case& c : kCases) {
    const auto plan =
        plan_retention(backups_at(c.given), always(policy_of(c.rule, c.count)), kToday);
    EXPECT_EQ(kept(plan), c.kept) << c.what;
  }
}

TEST(Retention, WithinIsYoungerThan) {
  RetentionPolicy policy;
  policy.keep_within = std::chrono::hours{24};
  const auto plan = plan_retention(
      backups_at({"2025-11-09T12:00:00Z", "2025-11-09T12:00:01Z", "2025-11-10T12:00:00Z"}),
      always(policy), kToday);
  EXPECT_EQ(kept(plan), (Times{"2025-11-09T12:00:01Z", "2025-11-10T12:00:00Z"}));
}

TEST(Retention, WithoutRulesKeepsNinetyDays) {
  const auto plan = plan_retention(
      backups_at({"2025-08-12T12:00:00Z", "2025-08-12T12:00:01Z", "2025-11-10T11:00:00Z"}),
      always({}), kToday);
  EXPECT_EQ(kept(plan), (Times{"2025-08-12T12:00:01Z", "2025-11-10T11:00:00Z"}));
}

TEST(Retention, AnyRuleSwitchesTheDefaultOff) {
  const auto plan = plan_retention(backups_at({"2025-11-09T12:00:00Z", "2025-11-10T11:00:00Z"}),
                                   always(policy_of("last", 1)), kToday);
  EXPECT_EQ(kept(plan), Times{"2025-11-10T11:00:00Z"});
}

TEST(Retention, AlwaysKeepsTheNewest) {
  RetentionPolicy policy;
  policy.keep_within = std::chrono::hours{1};
  const auto plan = plan_retention(backups_at({"2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z"}),
                                   always(policy), kToday);
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_FALSE(plan[0].keep);
  EXPECT_EQ(plan[0].reasons, Times{"no rule keeps it"});
  EXPECT_TRUE(plan[1].keep);
  EXPECT_EQ(plan[1].reasons, Times{"newest"});
}

TEST(Retention, TheFutureIsKeptAndDoesNotCount) {
  const auto plan = plan_retention(backups_at({"2025-11-08T12:00:00Z", "2025-11-09T12:00:00Z",
                                               "2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z"}),
                                   always(policy_of("last", 1)), kToday);
  EXPECT_EQ(kept(plan),
            (Times{"2025-11-09T12:00:00Z", "2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z"}));
  EXPECT_EQ(plan[1].reasons, (Times{"newest of the past", "last 1"}));
  EXPECT_EQ(plan[2].reasons, Times{"in the future"});
  EXPECT_EQ(plan[3].reasons, (Times{"newest", "in the future"}));
}

TEST(Retention, ReasonsNameTheBuckets) {
  RetentionPolicy policy;
  policy.keep_last = policy.keep_hourly = policy.keep_daily = policy.keep_weekly = 1;
  policy.keep_monthly = policy.keep_yearly = 1;
  policy.keep_within = std::chrono::hours{1};
  const auto plan = plan_retention(backups_at({"2025-11-10T11:30:00Z"}), always(policy), kToday);
  EXPECT_EQ(plan.at(0).reasons,
            (Times{"newest", "last 1", "hourly 2025-11-10T11", "daily 2025-11-10",
                   "weekly 2025-W46", "monthly 2025-11", "yearly 2025", "within 1h00m"}));
}

TEST(Retention, ClassesAndSourcesAreApart) {
  auto backups = backups_at({"2025-11-09T12:00:00Z", "2025-11-10T11:00:00Z"});
  for (const auto& [backup_class, source] :
       {std::pair{"config", "web"}, std::pair{"files", "mail"}}) {
    backups.push_back({std::string(backup_class) + source, kToday - std::chrono::days{400},
                       backup_class, source});
  }
  std::set<std::pair<std::string, std::string>> asked;
  const auto lookup = [&](const std::string& backup_class, const std::string& source) {
    asked.insert({backup_class, source});
    return policy_of("last", source == "web" && backup_class == "files" ? 2 : 1);
  };
  const auto plan = plan_retention(backups, lookup, kToday);
  EXPECT_EQ(kept(plan).size(), 4U);
  EXPECT_EQ(asked.size(), 3U);
}

TEST(Retention, NothingGivesNothing) {
  EXPECT_TRUE(plan_retention({}, always({}), kToday).empty());
}

// Random plans against a second, slow way to decide each rule.
class RandomRetention : public testing::TestWithParam<unsigned> {
 protected:
  unsigned below(unsigned limit) {
    return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
  }
  std::vector<RetentionCandidate> random_backups() {
    std::vector<RetentionCandidate> backups(below(60));
    const unsigned spread = 1 + below(3 * 365 * 24);
    for (std::size_t i = 0; i < backups.size(); ++i) {
      // A few lie in the future, and many at the very same time.
      const auto age = std::chrono::hours{below(spread)} - std::chrono::hours{below(10) / 9 * 50};
      backups[i] = {std::to_string(i), kToday - age, "files", below(2) == 0 ? "web" : "mail"};
    }
    return backups;
  }
  std::optional<unsigned> maybe() {
    return below(3) == 0 ? std::optional<unsigned>(1 + below(8)) : std::nullopt;
  }
  RetentionPolicy random_policy() {
    RetentionPolicy policy{maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), {}};
    if (below(3) == 0) policy.keep_within = std::chrono::hours{1 + below(9000)};
    return policy;
  }

  std::mt19937 random_{GetParam()};
};

// The rules of a policy as policies of one rule.
std::vector<RetentionPolicy> single_rules(const RetentionPolicy& policy) {
  std::vector<RetentionPolicy> rules;
  for (const auto rule : {&RetentionPolicy::keep_last, &RetentionPolicy::keep_hourly,
                          &RetentionPolicy::keep_daily, &RetentionPolicy::keep_weekly,
                          &RetentionPolicy::keep_monthly, &RetentionPolicy::keep_yearly}) {
    if (!(policy.*rule)) continue;
    RetentionPolicy one;
    one.*rule = policy.*rule;
    rules.push_back(one);
  }
  if (policy.keep_within || rules.empty()) {
    RetentionPolicy one;
    one.keep_within = policy.keep_within;
    rules.push_back(one);
  }
  return rules;
}

std::set<std::string> kept_set(const std::vector<RetentionCandidate>& backups,
                               const RetentionPolicy& policy) {
  const auto ids = kept(plan_retention(backups, always(policy), kToday));
  return {ids.begin(), ids.end()};
}

TEST_P(RandomRetention, KeepsTheUnionOfItsRules) {
  const auto backups = random_backups();
  const RetentionPolicy policy = random_policy();
  std::set<std::string> expected;
  for (const RetentionPolicy& rule : single_rules(policy)) {
    expected.merge(kept_set(backups, rule));
  }
  EXPECT_EQ(kept_set(backups, policy), expected);
}

TEST_P(RandomRetention, ASecondRunDeletesNothing) {
  const RetentionPolicy policy = random_policy();
  auto backups = random_backups();
  const auto first = kept_set(backups, policy);
  std::erase_if(backups, [&](const auto& backup) { return first.count(backup.id) == 0; });
  EXPECT_EQ(kept_set(backups, policy), first);
}

TEST_P(RandomRetention, EveryBackupIsDecidedOnceAndInOrder) {
  const auto backups = random_backups();
  const auto plan = plan_retention(backups, always(random_policy()), kToday);
  std::set<std::string> ids;
  for (const auto& decision : plan) {
    ids.insert(decision.backup.id);
    EXPECT_FALSE(decision.reasons.empty());
  }
  EXPECT_EQ(ids.size(), backups.size());
  EXPECT_EQ(plan.size(), backups.size());
  EXPECT_TRUE(std::is_sorted(plan.begin(), plan.end(), [](const auto& a, const auto& b) {
    return a.backup.time < b.backup.time;
  }));
}

TEST_P(RandomRetention, TheOrderOfTheInputDoesNotMatter) {
  auto backups = random_backups();
  const RetentionPolicy policy = random_policy();
  const auto before = kept_set(backups, policy);
  std::shuffle(backups.begin(), backups.end(), random_);
  EXPECT_EQ(kept_set(backups, policy), before);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRetention, testing::Range(0U, 200U));

}  // namespace
}  // namespace holdfast
