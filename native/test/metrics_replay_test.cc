#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "cpu/dispatch.h"
#include "metrics/key_sort.h"
#include "metrics/replay.h"
#include "metrics/top_k.h"
#include "metrics_fixture.h"

namespace prerank {
namespace {

using testing_metrics::Table;

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

ReplayOptions options_at(uint64_t k, EarlyScore early = std::string("early")) {
  ReplayOptions options;
  options.request = "request";
  options.final_score = "final";
  options.early = std::move(early);
  options.k = options.early_k = k;
  return options;
}

ReplayResult run(const Table& table, const ReplayOptions& options) {
  auto result = replay(*table.dataset(), options);
  EXPECT_TRUE(result.ok()) << result.status().message();
  EXPECT_FALSE(result.value().fault);
  return std::move(result).value();
}

// The two requests of the specification's examples, consecutive and interleaved.
Table examples(bool interleaved) {
  Table table(interleaved ? std::vector<size_t>{8} : std::vector<size_t>{3, 0, 5});
  if (interleaved) {
    table.add("final", std::vector<float>{10, 4, 8, 2, 5, 1, 3, 1});
    table.add("early", std::vector<float>{.2f, 1, .9f, 2, .5f, 3, .8f, .1f});
    table.add("request", std::vector<uint32_t>{8, 3, 8, 3, 8, 3, 8, 8});
  } else {
    table.add("final", std::vector<float>{10, 8, 5, 3, 1, 4, 2, 1});
    table.add("early", std::vector<float>{.2f, .9f, .5f, .8f, .1f, 1, 2, 3});
    table.add("request", std::vector<uint32_t>{8, 8, 8, 8, 8, 3, 3, 3});
  }
  return table;
}

TEST(Replay, WorkedExamples) {
  for (const bool interleaved : {false, true}) {
    const Table table = examples(interleaved);
    const ReplayResult two = run(table, options_at(2));
    ASSERT_EQ(two.requests, interleaved ? (std::vector<uint32_t>{3, 8}) : (std::vector<uint32_t>{8, 3}));
    const RequestReplay& first = two.per_request[interleaved ? 1 : 0];
    const RequestReplay& second = two.per_request[interleaved ? 0 : 1];
    EXPECT_EQ(first.rows, 5);
    EXPECT_EQ(first.k, 2);
    EXPECT_EQ(first.hits, 1);
    EXPECT_EQ(first.soft_numerator, 11);
    EXPECT_EQ(first.soft_denominator, 18);
    EXPECT_EQ(second.hits, 1);
    EXPECT_EQ(second.soft_numerator, 3);
    EXPECT_EQ(second.soft_denominator, 6);
    const RequestReplay three = run(table, options_at(3)).per_request[interleaved ? 1 : 0];
    EXPECT_NEAR(three.dcg / three.idcg, 0.706245, 5e-7);
  }
}

TEST(Replay, SizesMayDiffer) {
  // The specification's RCS example: pre order [3,1,4,0,2], rank order [1,4,2,0,3].
  Table table({5});
  table.add("early", std::vector<float>{2, 4, 1, 5, 3});
  table.add("final", std::vector<float>{2, 5, 3, 1, 4});
  table.add("request", std::vector<uint32_t>(5, 7));
  EXPECT_EQ(run(table, options_at(2)).per_request[0].hits, 1);
  ReplayOptions options = options_at(2);
  options.early_k = 3;
  EXPECT_EQ(run(table, options).per_request[0].hits, 2);
}

TEST(Replay, DistancesAreOfAllCandidates) {
  Table table({4});
  table.add("final", std::vector<float>{10, 8, -2, 4});
  table.add("early", std::vector<float>{9, 9, -1, 2});
  table.add("request", std::vector<uint32_t>(4, 0));
  const RequestReplay request = run(table, options_at(1)).per_request[0];
  EXPECT_EQ(request.difference, 5);
  EXPECT_EQ(request.size, 24);
}

TEST(Replay, TiesGoByRow) {
  Table table({4});
  table.add("early", std::vector<float>(4, 1));
  table.add("final", std::vector<float>{1, 2, 3, -4});
  table.add("request", std::vector<uint32_t>(4, 0));
  ReplayOptions options = options_at(1);
  options.early_k = 2;
  EXPECT_EQ(run(table, options).per_request[0].hits, 0);
  options.early_k = 3;
  EXPECT_EQ(run(table, options).per_request[0].hits, 1);
  const RequestReplay all = run(table, options_at(10)).per_request[0];
  EXPECT_EQ(all.k, 4);
  EXPECT_EQ(all.hits, 4);
  EXPECT_EQ(all.soft_numerator, 2);
  EXPECT_NEAR(all.dcg, 1 + 2 / std::log2(3.0) + 3 / 2.0, 1e-12);  // the negative gain counts as 0
}

// The definitions, by sorting whole requests.
RequestReplay by_definition(const std::vector<double>& early, const std::vector<double>& final_scores, size_t k,
                            size_t early_k) {
  const auto ranked = [](const std::vector<double>& scores) {
    std::vector<size_t> order(scores.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    return order;
  };
  const auto picks = ranked(early), gold = ranked(final_scores);
  RequestReplay request;
  request.rows = static_cast<double>(early.size());
  request.k = static_cast<double>(std::min(k, early.size()));
  for (size_t i = 0; i < early.size(); ++i) {
    const double discount = std::log2(static_cast<double>(i + 2));
    if (i < k) request.soft_denominator += final_scores[gold[i]];
    if (i < k) request.idcg += std::max(final_scores[gold[i]], 0.0) / discount;
    if (i < k) request.dcg += std::max(final_scores[picks[i]], 0.0) / discount;
    if (i < early_k) {
      request.soft_numerator += final_scores[picks[i]];
      request.hits += static_cast<double>(std::count(gold.begin(), gold.begin() + static_cast<ptrdiff_t>(request.k), picks[i]));
    }
    request.difference += std::abs(final_scores[i] - early[i]);
    request.size += std::abs(final_scores[i]);
  }
  return request;
}

void expect_near(const RequestReplay& a, const RequestReplay& b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.k, b.k);
  EXPECT_EQ(a.hits, b.hits);
  for (const auto field : {&RequestReplay::soft_numerator, &RequestReplay::soft_denominator, &RequestReplay::dcg,
                           &RequestReplay::idcg, &RequestReplay::difference, &RequestReplay::size}) {
    EXPECT_NEAR(a.*field, b.*field, 1e-11 * std::max(1.0, std::abs(b.*field)));
  }
}

// Requests of 1 to 700 rows over many blocks and chunks, with ties, and rows that did not reach the final stage.
struct RandomLog {
  explicit RandomLog(bool consecutive) {
    std::mt19937 random(11);
    uint32_t code = 4000;
    while (rows < 200000) {
      const size_t size = random() % 40 == 0 ? 1 + random() % 700 : 1 + random() % 60;
      const bool gaps = random() % 3 == 0;
      for (size_t i = 0; i < size; ++i, ++rows) {
        request.push_back(consecutive ? code : static_cast<uint32_t>(5 + random() % 3000));
        early.push_back(static_cast<float>(random() % 400) / 16 - 8);
        final_scores.push_back(gaps && random() % 2 == 0 ? kNone : static_cast<float>(random() % 300) / 8 - 5);
      }
      code = consecutive ? (code * 7 + 13) % 1000003 : code;
    }
    const std::vector<size_t> chunks = {17, 50000, 1, 0, 99983, rows - 150001};
    table = std::make_unique<Table>(chunks);
    table->add("request", request).add("early", early).add("final", final_scores);
  }

  size_t rows = 0;
  std::vector<uint32_t> request;
  std::vector<float> early, final_scores;
  std::unique_ptr<Table> table;
};

TEST(Replay, EqualsTheDefinitionForAnyNumberOfThreads) {
  for (const bool consecutive : {true, false}) {
    const RandomLog log(consecutive);
    std::map<uint32_t, std::pair<std::vector<double>, std::vector<double>>> expected;
    for (size_t row = 0; row < log.rows; ++row) {
      if (std::isnan(log.final_scores[row])) continue;
      auto& [early, final_scores] = expected[log.request[row]];
      early.push_back(log.early[row]);
      final_scores.push_back(log.final_scores[row]);
    }
    for (const auto& [k, early_k] : {std::pair{3, 3}, {50, 50}, {20, 200}, {300, 5}}) {
      for (const size_t threads : {1, 3}) {
        ReplayOptions options = options_at(static_cast<uint64_t>(k));
        options.early_k = static_cast<uint64_t>(early_k);
        options.threads = threads;
        const ReplayResult found = run(*log.table, options);
        ASSERT_EQ(found.requests.size(), expected.size());
        for (size_t r = 0; r < found.requests.size(); ++r) {
          const auto& [early, final_scores] = expected.at(found.requests[r]);
          expect_near(found.per_request[r], by_definition(early, final_scores, k, early_k));
        }
        options.gains = false;
        const RequestReplay without = run(*log.table, options).per_request.back();
        EXPECT_EQ(without.hits, found.per_request.back().hits);
        EXPECT_EQ(without.dcg, 0);
        // Scores given for the rows are the same as a column of them.
        options.early = std::span<const float>(log.early);
        EXPECT_EQ(run(*log.table, options).per_request.back().hits, without.hits);
      }
    }
  }
}

// Scores of any kind: also many equal ones, more than vector code ranks, and requests of any size.
TEST(Replay, HasTheSameBytesForEveryInstructionSet) {
  const RandomLog log(true);
  const cpu::Isa best = cpu::isa();
  for (const uint64_t k : {1, 10, 40, 110, 300}) {
    std::vector<RequestReplay> expected;
    for (const cpu::Isa isa : cpu::kIsas) {
      if (!cpu::set_isa_for_test(isa)) continue;
      const auto found = run(*log.table, options_at(k)).per_request;
      if (expected.empty()) expected = found;
      ASSERT_EQ(found.size(), expected.size());
      EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(RequestReplay)), 0);
    }
  }
  cpu::set_isa_for_test(best);
}

TEST(Replay, TotalValuesAreComputedFromPredictionsAndColumns) {
  Table table({2, 1});
  table.add("request", std::vector<uint32_t>(3, 1)).add("final", std::vector<float>{1, 1.5f, 3.6f});
  table.add("bid", std::vector<float>{10, 5, 2}).add("objective", std::vector<uint8_t>{0, 1, 2});
  table.add("cvr", std::vector<float>{kNone, .5f, kNone}).add("vtr", std::vector<float>{kNone, kNone, .3f});
  const std::vector<float> ctr = {.1f, .2f, .4f}, cqs = {-.5f, 0, 1};
  TotalValueSource source;
  source.ctr.outputs = ctr;
  source.quality = Prediction{.outputs = cqs};
  source.bid = "bid";
  source.objective = "objective";
  source.click_rate = "cvr";
  source.view_rate = "vtr";
  source.quality_function = {.kind = QualityFunction::Kind::kAffine, .scale = 2, .shift = 1};
  // 10 * 0.1 + 0, 5 * 0.2 * 0.5 + 1, 2 * 0.3 + 3: the final scores.
  const RequestReplay request = run(table, options_at(2, source)).per_request[0];
  EXPECT_NEAR(request.difference, 0, 1e-6);
  EXPECT_EQ(request.hits, 2);
  source.additive = false;
  source.quality_function = {};
  EXPECT_NEAR(run(table, options_at(2, source)).per_request[0].difference, 1.5 + 1.5 + 3, 1e-6);

  const auto fault_without = [&](std::string TotalValueSource::*column, const char* other) {
    TotalValueSource changed = source;
    changed.*column = other;
    return replay(*table.dataset(), options_at(2, changed)).value().fault.value();
  };
  EXPECT_EQ(fault_without(&TotalValueSource::bid, "cvr").input, ReplayFault::Input::kBid);
  EXPECT_EQ(fault_without(&TotalValueSource::click_rate, "").input, ReplayFault::Input::kClickRate);
  EXPECT_EQ(fault_without(&TotalValueSource::click_rate, "").row, 1u);
  EXPECT_EQ(fault_without(&TotalValueSource::view_rate, "cvr").input, ReplayFault::Input::kViewRate);
}

TEST(Replay, QualityFunctions) {
  const QualityFunction clamp{.kind = QualityFunction::Kind::kClamp, .min = -1, .max = 2};
  EXPECT_EQ(clamp(-3), -1);
  EXPECT_EQ(clamp(5), 2);
  EXPECT_EQ(clamp(.25), .25);
  const QualityFunction line{.kind = QualityFunction::Kind::kPiecewiseLinear, .knots = {{0, 1}, {2, 5}, {3, 0}}};
  EXPECT_EQ(line(-1), 1);
  EXPECT_EQ(line(.5), 2);
  EXPECT_EQ(line(2.5), 2.5);
  EXPECT_EQ(line(9), 0);
}

TEST(Replay, ReportsWhatIsNotFinite) {
  const auto fault = [](size_t row, bool in_final, float value, float last) {
    std::vector<float> early(300, 1), final_scores(300, 2);
    final_scores.back() = last;
    (in_final ? final_scores : early)[row] = value;
    Table table({100, 200});
    table.add("request", std::vector<uint32_t>(300, 1)).add("early", early).add("final", final_scores);
    return replay(*table.dataset(), options_at(2)).value().fault;
  };
  for (const float last : {2.0f, kNone}) {
    const auto early = fault(150, false, kNone, last);
    ASSERT_TRUE(early);
    EXPECT_EQ(early->row, 150u);
    EXPECT_EQ(early->input, ReplayFault::Input::kEarly);
    const auto final_score = fault(7, true, INFINITY, last);
    ASSERT_TRUE(final_score);
    EXPECT_EQ(final_score->row, 7u);
    EXPECT_EQ(final_score->input, ReplayFault::Input::kFinal);
  }
  EXPECT_FALSE(fault(299, false, kNone, kNone));  // no candidate: its early score does not matter
}

TEST(Replay, RefusesWhatDoesNotFit) {
  const Table table = examples(false);
  const std::vector<float> short_scores(3);
  EXPECT_EQ(replay(*table.dataset(), options_at(0)).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(replay(*table.dataset(), options_at(1, std::span<const float>(short_scores))).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(replay(*table.dataset(), options_at(1, std::string("nothing"))).status().code(), Code::kNotFound);
  EXPECT_EQ(replay(*table.dataset(), options_at(1, std::string("request"))).status().code(), Code::kInvalidArgument);
  const std::vector<float> message(1);
  std::vector<ChunkChecksum> checksums(3, {std::as_bytes(std::span(message)), 1, "part-00000.arrow", 4});
  EXPECT_EQ(replay(*table.dataset(checksums), options_at(1)).status().code(), Code::kDatasetCorrupt);
}

TEST(TopK, EqualsASortOfEverything) {
  std::mt19937 random(5);
  TopK<float> floats;
  TopK<double> doubles;
  for (int round = 0; round < 3000; ++round) {
    const size_t count = 1 + random() % (round % 10 == 0 ? 3000 : 200), k = 1 + random() % (count + 5);
    const unsigned distinct = round % 3 == 0 ? 3 : round % 3 == 1 ? 50 : 1u << 30;
    std::vector<float> scores(count);
    for (float& score : scores) score = static_cast<float>(random() % distinct) - 20;
    if (round % 7 == 0) std::sort(scores.begin(), scores.end());
    std::vector<uint32_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0u);
    std::stable_sort(expected.begin(), expected.end(), [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
    expected.resize(std::min(k, count));
    const auto ranked = floats.rank(scores, k);
    ASSERT_EQ(std::vector<uint32_t>(ranked.begin(), ranked.end()), expected);
    const std::vector<double> wide(scores.begin(), scores.end());
    std::sort(expected.begin(), expected.end());
    for (const auto chosen : {doubles.select(wide, k), floats.select(scores, k)}) {
      std::vector<uint32_t> found(chosen.begin(), chosen.end());
      std::sort(found.begin(), found.end());
      ASSERT_EQ(found, expected);
    }
  }
}

TEST(SortKeys, SortsInPlace) {
  std::mt19937_64 random(4);
  const auto pool = ThreadPool::create(3).value();
  for (const size_t count : {0, 1, 1000, 300000}) {
    for (const uint64_t range : {uint64_t{1} << 10, uint64_t{1} << 33, ~uint64_t{0}}) {
      std::vector<uint64_t> keys(count);
      for (uint64_t& key : keys) key = random() % range;
      std::vector<uint64_t> expected = keys;
      std::sort(expected.begin(), expected.end());
      sort_keys(keys, *pool);
      EXPECT_EQ(keys, expected);
    }
  }
}

}  // namespace
}  // namespace prerank
