// What is in a batch.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>

#include "loader_fixture.h"

namespace prerank {
namespace {

using testing_io::Sample;
using testing_io::sample_options;

std::unique_ptr<Loader> make(const Sample& sample, LoaderOptions options) {
  auto dataset = sample.columns.dataset();
  EXPECT_TRUE(dataset.ok()) << dataset.status().message();
  auto loader = Loader::create(dataset.value(), std::move(options));
  EXPECT_TRUE(loader.ok()) << loader.status().message();
  return std::move(loader).value();
}

// Checks every value of a batch of the sample against the rule that made the sample.
void expect_sample_values(const Batch& batch) {
  ASSERT_EQ(batch.source_row.size(), batch.rows);
  for (size_t i = 0; i < batch.rows; ++i) {
    const uint32_t r = batch.source_row[i];
    EXPECT_EQ(batch.dense[0][2 * i], static_cast<float>(r));
    EXPECT_EQ(batch.dense[0][2 * i + 1], static_cast<float>(10 * r));
    EXPECT_EQ(batch.dense[1][batch.request_of_row[i]], static_cast<float>(r / 3));
    EXPECT_EQ(batch.ids[0].ids[i], 7 * r % 50);
    EXPECT_EQ(batch.weight[i], static_cast<float>(1 + r % 3));
    const BatchIds& tags = batch.ids[1];
    ASSERT_EQ(tags.offsets[i + 1] - tags.offsets[i], r % 4);
    for (uint32_t j = 0; j < r % 4; ++j) {
      EXPECT_EQ(tags.ids[tags.offsets[i] + j], (r + j * j) % 50);
      EXPECT_EQ(tags.weights[tags.offsets[i] + j], 0.5f * static_cast<float>(j + 1));
    }
    const bool shown = r % 2 == 0, traffic = r % 5 != 4, has_ectr = r % 7 != 6;
    EXPECT_EQ((batch.task_mask[i] & 1u) != 0, traffic && (shown || has_ectr)) << "row " << r;
    EXPECT_EQ((batch.task_mask[i] & 2u) != 0, has_ectr) << "row " << r;
    const float ectr = static_cast<float>(r % 10) / 10;
    if (batch.task_mask[i] & 1u) {
      EXPECT_EQ(batch.targets[0][i], shown ? static_cast<float>(r % 4 == 0) : ectr);
    }
    if (batch.task_mask[i] & 2u) {
      EXPECT_FLOAT_EQ(batch.targets[1][i], 2 * (ectr - 0.5f));
    }
  }
}

void expect_normalisers(const Batch& batch) {
  for (size_t k = 0; k < batch.targets.size(); ++k) {
    double sum = 0;
    for (size_t i = 0; i < batch.rows; ++i) sum += (batch.task_mask[i] >> k & 1u) != 0 ? double{batch.weight[i]} : 0.0;
    EXPECT_DOUBLE_EQ(batch.inv_n[k], sum > 0 ? 1 / sum : 0);
  }
}

void expect_grouping(const Batch& batch) {
  ASSERT_EQ(batch.request_offsets.size(), batch.requests + 1);
  EXPECT_EQ(batch.request_offsets[0], 0u);
  EXPECT_EQ(batch.request_offsets[batch.requests], batch.rows);
  for (size_t q = 0; q < batch.requests; ++q) {
    ASSERT_LT(batch.request_offsets[q], batch.request_offsets[q + 1]);
    for (uint32_t i = batch.request_offsets[q]; i < batch.request_offsets[q + 1]; ++i) {
      EXPECT_EQ(batch.request_of_row[i], q);
      EXPECT_EQ(batch.source_row[i] / 3, batch.source_row[batch.request_offsets[q]] / 3);
    }
  }
}

// The index against a map built the plain way.
void expect_index(const Batch& batch) {
  using Entry = std::tuple<uint16_t, uint32_t, float>;
  std::map<uint32_t, std::vector<Entry>> expected;
  for (uint32_t i = 0; i < batch.rows; ++i) expected[batch.ids[0].ids[i]].emplace_back(0, i, 1.0f);
  const BatchIds& tags = batch.ids[1];
  for (uint32_t i = 0; i < batch.rows; ++i) {
    const uint32_t begin = tags.offsets[i], end = tags.offsets[i + 1];
    for (uint32_t j = begin; j < end; ++j) {
      expected[tags.ids[j]].emplace_back(1, i, 1.0f / static_cast<float>(end - begin) * tags.weights[j]);
    }
  }
  ASSERT_EQ(batch.table_index.size(), 1u);
  const BatchTableIndex& index = batch.table_index[0];
  ASSERT_EQ(index.rows.size(), expected.size());
  ASSERT_EQ(index.starts.size(), expected.size() + 1);
  size_t u = 0;
  for (const auto& [row, entries] : expected) {
    EXPECT_EQ(index.rows[u], row);
    ASSERT_EQ(index.starts[u + 1] - index.starts[u], entries.size());
    for (size_t e = 0; e < entries.size(); ++e) {
      const size_t at = index.starts[u] + e;
      EXPECT_EQ(Entry(index.input_of(at), index.bags[at], index.coefficient_of(at)), entries[e]);
    }
    ++u;
  }
  EXPECT_EQ(index.starts[0], 0u);
}

class LoaderContents : public testing::TestWithParam<std::tuple<Shuffle, std::vector<size_t>>> {};

TEST_P(LoaderContents, AreTheRowsOfTheDataset) {
  const auto& [shuffle, chunks] = GetParam();
  const Sample sample(chunks);
  auto options = sample_options();
  options.shuffle = shuffle;
  options.window_rows = 13;
  options.epochs = 2;
  const auto loader = make(sample, options);
  std::vector<int> seen(sample.rows, 0);
  for (;;) {
    auto next = loader->next();
    ASSERT_TRUE(next.ok()) << next.status().message();
    if (next.value() == nullptr) break;
    const Batch& batch = *next.value();
    expect_sample_values(batch);
    expect_normalisers(batch);
    expect_grouping(batch);
    expect_index(batch);
    for (const uint32_t r : batch.source_row) ++seen[r];
  }
  for (const int times : seen) EXPECT_EQ(times, 2);
}

INSTANTIATE_TEST_SUITE_P(OrdersAndChunks, LoaderContents,
                         testing::Combine(testing::Values(Shuffle::kNone, Shuffle::kWindow, Shuffle::kFull),
                                          testing::Values(std::vector<size_t>{50}, std::vector<size_t>{20, 20, 7},
                                                          std::vector<size_t>{3, 0, 40, 9}, std::vector<size_t>{1})));

TEST(LoaderTargets, UnseenRowsAreNegativesOrLeftOut) {
  const Sample sample({41});
  for (const Unseen unseen : {Unseen::kNegative, Unseen::kNone}) {
    auto options = sample_options();
    options.tasks[0].unseen = unseen;
    const auto loader = make(sample, options);
    size_t negatives = 0;
    while (const Batch* batch = loader->next().value()) {
      expect_normalisers(*batch);
      for (size_t i = 0; i < batch->rows; ++i) {
        const uint32_t r = batch->source_row[i];
        const bool shown = r % 2 == 0, traffic = r % 5 != 4;
        EXPECT_EQ((batch->task_mask[i] & 1u) != 0, traffic && (shown || unseen == Unseen::kNegative)) << "row " << r;
        EXPECT_EQ((batch->task_mask[i] & 2u) != 0, r % 7 != 6) << "row " << r;
        if ((batch->task_mask[i] & 1u) == 0) continue;
        EXPECT_EQ(batch->targets[0][i], shown ? static_cast<float>(r % 4 == 0) : 0.0f);
        negatives += shown ? 0 : 1;
      }
    }
    EXPECT_EQ(negatives > 0, unseen == Unseen::kNegative);
  }
}

TEST(LoaderTargets, UnseenRowsNeedAShownColumn) {
  const Sample sample({41});
  auto options = sample_options();
  options.tasks[0] = {.target = "click", .unseen = Unseen::kNegative, .probability = true};
  const auto loader = Loader::create(sample.columns.dataset().value(), options);
  ASSERT_FALSE(loader.ok());
  EXPECT_EQ(loader.status().code(), Code::kInvalidArgument);
}

TEST(LoaderBytes, CountsWhatIsCopiedOnce) {
  const Sample sample({20, 21});
  const auto loader = make(sample, sample_options());
  uint64_t requests = 0, tags = 0;
  while (const Batch* batch = loader->next().value()) {
    requests += batch->requests;
    tags += batch->ids[1].ids.size();
  }
  // x, y, ad, request, weight, click, ectr: 4 bytes a row. shown, traffic: 1. ectr is read by two tasks and copied
  // once.
  const uint64_t expected = 41 * (7 * 4 + 2) + requests * 4 + tags * 8 + 41 * 4;
  EXPECT_EQ(loader->stats().bytes_gathered, expected);
  EXPECT_EQ(loader->stats().rows, 41u);
  EXPECT_EQ(loader->stats().batches, 6u);
}

TEST(LoaderBytes, PredictionLoadsNoTargetsAndNoIndex) {
  const Sample sample({16});
  auto options = sample_options();
  options.training = false;
  const auto loader = make(sample, options);
  const Batch& batch = *loader->next().value();
  EXPECT_TRUE(batch.task_mask.empty());
  EXPECT_TRUE(batch.targets.empty());
  EXPECT_TRUE(batch.table_index.empty());
  EXPECT_EQ(batch.ids[0].ids.size(), 8u);
}

}  // namespace
}  // namespace prerank
