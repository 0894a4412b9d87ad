#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "log_fixture.h"
#include "prerank/ingest.h"

namespace prerank {
namespace {

using test::LogFolder;

bool never() { return false; }

ProfileSpec spec_of(LogSource source) {
  ProfileSpec spec;
  spec.source = std::move(source);
  spec.memory_bytes = uint64_t{256} << 20;
  return spec;
}

LogProfile profile(const ProfileSpec& spec) {
  auto result = profile_log(spec, never);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? std::move(result).value() : LogProfile();
}

// Rows of a log as SQL: one value of the column "request" a row, NULL for nulls.
std::string rows_of(const std::vector<std::string>& values) {
  std::string sql = "SELECT unnest([";
  for (size_t i = 0; i < values.size(); ++i) sql += (i > 0 ? ", " : "") + values[i];
  return sql + "]) AS request";
}

LogProfile profile_requests(const std::vector<std::string>& values, const std::vector<uint64_t>& cuts,
                            const std::string& type = "BIGINT") {
  LogFolder folder;
  folder.write("log.parquet", rows_of(values));
  ProfileSpec spec = spec_of(folder.source("log.parquet", "request::" + type, cuts, values.size()));
  spec.request_input = 1;
  return profile(spec);
}

std::vector<uint64_t> heads(const LogProfile& profile) {
  std::vector<uint64_t> heads;
  for (const PartProfile& part : profile.parts) heads.push_back(part.head_rows);
  return heads;
}

using Heads = std::vector<uint64_t>;

TEST(ProfileLog, CountsRequestsAndTheRowsThatPartsOweTheOneBefore) {
  const LogProfile found = profile_requests({"1", "1", "2", "2", "2", "3", "4", "4"}, {1, 3, 5, 6});
  EXPECT_EQ(found.rows, 8u);
  EXPECT_EQ(found.requests, 4u);
  EXPECT_TRUE(found.requests_together);
  EXPECT_EQ(heads(found), (Heads{0, 1, 2, 0, 0}));
  EXPECT_EQ(found.parts[2].rows, 2u);
}

TEST(ProfileLog, FollowsARequestOverWholeAndEmptyParts) {
  const LogProfile found = profile_requests({"7", "7", "7", "7", "8"}, {1, 2, 2, 3});
  EXPECT_EQ(heads(found), (Heads{0, 1, 0, 1, 1}));
  EXPECT_EQ(found.requests, 2u);
  EXPECT_TRUE(found.requests_together);
}

TEST(ProfileLog, FindsRequestsThatComeBack) {
  EXPECT_FALSE(profile_requests({"1", "2", "1"}, {}).requests_together);
  EXPECT_FALSE(profile_requests({"1", "1", "2", "3", "3", "1"}, {2, 4}).requests_together);
  EXPECT_TRUE(profile_requests({"1", "1", "2", "3", "3", "4"}, {1, 4}).requests_together);
  EXPECT_FALSE(profile_requests({"'a'", "'b'", "'a'"}, {1, 2}, "VARCHAR").requests_together);
}

// The moments of both sides together are those of all rows, and a request's rows are on one side.
TEST(ProfileLog, TakesMomentsOfOneSideOfASplit) {
  LogFolder folder;
  folder.write("log.parquet", "SELECT i // 4 AS request, (i // 4)::DOUBLE AS x FROM range(4000) t(i)");
  std::vector<Moments> sides;
  for (const bool below : {true, false}) {
    ProfileSpec spec = spec_of(folder.source("log.parquet", "request::BIGINT, x::DOUBLE", {1001, 2500}, 4000));
    spec.request_input = 1;
    spec.moment_inputs = {2};
    spec.moment_log1p = {false};
    spec.split_seed = 3;
    spec.split_fraction = 0.25;
    spec.split_keep_below = below;
    const LogProfile found = profile(spec);
    EXPECT_EQ(found.rows, 4000u);
    ASSERT_EQ(found.moments.size(), 1u);
    EXPECT_EQ(found.moments[0].count % 4, 0u);
    sides.push_back(found.moments[0]);
  }
  EXPECT_EQ(sides[0].count + sides[1].count, 4000u);
  EXPECT_NEAR(static_cast<double>(sides[0].count), 1000, 150);
  const double total = sides[0].mean * static_cast<double>(sides[0].count) +
                       sides[1].mean * static_cast<double>(sides[1].count);
  EXPECT_NEAR(total / 4000, 499.5, 1e-9);
  EXPECT_NE(sides[0].mean, sides[1].mean);
}

TEST(ProfileLog, RowsWithoutARequestBelongToTheOneBefore) {
  const LogProfile found = profile_requests({"NULL", "NULL", "1", "NULL", "NULL", "1", "NULL", "2"}, {1, 4, 7});
  EXPECT_EQ(heads(found), (Heads{0, 1, 3, 0}));
  EXPECT_EQ(found.requests, 3u);
  EXPECT_TRUE(found.requests_together);
}

TEST(ProfileLog, ComparesRequestsByValue) {
  const std::string a = "'a request with many characters 1'", b = "'a request with many characters 2'";
  const LogProfile found = profile_requests({a, a, b, b, "''", "''"}, {1, 3, 5}, "VARCHAR");
  EXPECT_EQ(heads(found), (Heads{0, 1, 1, 1}));
  EXPECT_EQ(found.requests, 3u);
  const LogProfile numbers = profile_requests({"'nan'::DOUBLE", "'nan'", "-0.0", "0.0"}, {1, 3}, "DOUBLE");
  EXPECT_EQ(heads(numbers), (Heads{0, 1, 1}));
  EXPECT_EQ(numbers.requests, 2u);
}

TEST(ProfileLog, GivesUpOnRequestsThatMemoryCannotHold) {
  ProfileSpec spec = spec_of({test::duckdb_library(), {}, {}});
  const std::string rows = "SELECT i, i // 2 FROM range(1000000) t(i)";
  spec.source.parts = {{{{rows, ""}}, 1000000, 0}};
  spec.request_input = 1;
  EXPECT_TRUE(profile(spec).requests_together);
  spec.memory_bytes = uint64_t{8} << 20;
  const LogProfile found = profile(spec);
  EXPECT_FALSE(found.requests_together);
  EXPECT_EQ(found.requests, 500000u);
}

bool chronological(const std::string& type, const std::vector<std::string>& values, const std::vector<uint64_t>& cuts) {
  LogFolder folder;
  folder.write("log.parquet", rows_of(values));
  ProfileSpec spec = spec_of(folder.source("log.parquet", "request::" + type, cuts, values.size()));
  spec.time_input = 1;
  return profile(spec).chronological;
}

TEST(ProfileLog, ComparesTimesWithinAndBetweenParts) {
  EXPECT_TRUE(chronological("BIGINT", {"1", "1", "NULL", "2", "9"}, {3}));
  EXPECT_FALSE(chronological("BIGINT", {"1", "3", "2", "9"}, {}));
  EXPECT_FALSE(chronological("BIGINT", {"1", "3", "2", "9"}, {2}));
  EXPECT_FALSE(chronological("BIGINT", {"5", "NULL", "4"}, {1, 2}));
  EXPECT_TRUE(chronological("DOUBLE", {"-1.5", "'nan'::DOUBLE", "0.25"}, {1}));
  EXPECT_FALSE(chronological("DOUBLE", {"-1.5", "'nan'::DOUBLE", "-1.6"}, {2}));
  EXPECT_TRUE(chronological("VARCHAR", {"'2024-01-01 00:00:00'", "'2024-01-01 00:00:01'", "'2024-01-02'"}, {1}));
  EXPECT_FALSE(chronological("VARCHAR", {"'2024-01-01 00:00:01'", "'2024-01-01 00:00:00'"}, {1}));
}

TEST(ProfileLog, TakesMomentsOfFiniteNumbers) {
  LogFolder folder;
  folder.write("log.parquet",
               "SELECT CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE ELSE i END "
               "AS x, 0.1::DOUBLE AS same, NULL::DOUBLE AS nothing, (i - 3000)::DOUBLE AS two_sided "
               "FROM range(6000) t(i)");
  ProfileSpec spec = spec_of(folder.source("log.parquet", "x, same, nothing, two_sided", {1000, 1001, 4100}, 6000));
  spec.moment_inputs = {1, 2, 3, 4};
  spec.moment_log1p = {false, false, false, true};
  const LogProfile found = profile(spec);
  ASSERT_EQ(found.moments.size(), 4u);
  long double sum = 0, squares = 0, logs = 0;
  uint64_t count = 0;
  for (int i = 0; i < 6000; ++i) {
    logs += std::copysign(std::log1p(std::fabs(i - 3000.0L)), i - 3000.0L);
    if (i % 5 < 3) continue;
    sum += i;
    squares += static_cast<long double>(i) * i;
    ++count;
  }
  const long double mean = sum / count;
  EXPECT_EQ(found.moments[0].count, count);
  EXPECT_NEAR(found.moments[0].mean, static_cast<double>(mean), 1e-9);
  EXPECT_NEAR(found.moments[0].deviation, static_cast<double>(std::sqrt(squares / count - mean * mean)), 1e-9);
  EXPECT_EQ(found.moments[1].mean, 0.1);
  EXPECT_EQ(found.moments[1].deviation, 1);
  EXPECT_EQ(found.moments[2].count, 0u);
  EXPECT_EQ(found.moments[2].mean, 0);
  EXPECT_EQ(found.moments[2].deviation, 1);
  EXPECT_NEAR(found.moments[3].mean, static_cast<double>(logs / 6000), 1e-12);
}

TEST(ProfileLog, IsTheSameForAnyNumberOfThreads) {
  LogFolder folder;
  folder.write("log.parquet", "SELECT i // 7 AS request, i AS time, sin(i) * 1e6 AS x FROM range(50000) t(i)");
  ProfileSpec spec = spec_of(
      folder.source("log.parquet", "request, time, x", {3000, 3001, 3001, 20000, 33333, 41000, 47777}, 50000));
  spec.request_input = 1;
  spec.time_input = 2;
  spec.moment_inputs = {3};
  spec.moment_log1p = {true};
  const LogProfile one = profile(spec);
  EXPECT_TRUE(one.chronological && one.requests_together);
  EXPECT_EQ(one.requests, 7143u);
  for (const size_t threads : {2, 5}) {
    spec.threads = threads;
    const LogProfile other = profile(spec);
    EXPECT_EQ(heads(other), heads(one));
    EXPECT_EQ(other.requests, one.requests);
    EXPECT_EQ(other.moments[0].mean, one.moments[0].mean);
    EXPECT_EQ(other.moments[0].deviation, one.moments[0].deviation);
  }
}

TEST(ProfileLog, FailsWithTheFileAndTheReason) {
  LogFolder folder;
  folder.write("log.parquet", "SELECT i AS request, [i] AS list FROM range(10000) t(i)");
  ProfileSpec spec = spec_of(folder.source("log.parquet", "request", {4000}, 10000));
  spec.threads = 2;
  spec.request_input = 2;
  EXPECT_EQ(profile_log(spec, never).status().code(), Code::kInvalidArgument);
  spec.request_input = 1;
  spec.source.parts[1].queries[0].sql = "SELECT 0, 'text'";
  Status status = profile_log(spec, never).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("another type"), std::string::npos) << status.message();
  spec.source = folder.source("log.parquet", "list", {4000}, 10000);
  EXPECT_EQ(profile_log(spec, never).status().code(), Code::kUnsupported);
  spec.source = folder.source("missing.parquet", "request", {4000}, 10000);
  status = profile_log(spec, never).status();
  EXPECT_EQ(status.code(), Code::kIoError);
  EXPECT_NE(status.message().find("missing.parquet"), std::string::npos) << status.message();
  spec.source.setup = {"SELEKT"};
  EXPECT_EQ(profile_log(spec, never).status().code(), Code::kInvalidArgument);
  spec.source.library = folder.path("libduckdb.so");
  EXPECT_EQ(profile_log(spec, never).status().code(), Code::kNotFound);
}

TEST(ProfileLog, StopsWhenCancelled) {
  ProfileSpec spec = spec_of({test::duckdb_library(), {}, {}});
  spec.source.parts = {{{{"SELECT i FROM range(1000000000000) t(i)", ""}}, 0, 0}};
  std::atomic<int> asked{0};
  EXPECT_EQ(profile_log(spec, [&] { return ++asked > 3; }).status().code(), Code::kCancelled);
}

}  // namespace
}  // namespace prerank
