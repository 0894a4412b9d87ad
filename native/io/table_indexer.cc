// The public TableIndexer: all tables of a batch, several at a time when there are threads.
#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "io/table_index.h"
#include "prerank/loader.h"

namespace prerank {
namespace {

class TableIndexerImpl final : public TableIndexer {
 public:
  TableIndexerImpl(std::vector<TableInputs> tables, std::unique_ptr<ThreadPool> pool)
      : tables_(std::move(tables)),
        pool_(std::move(pool)),
        buffers_(tables_.size()),
        statuses_(tables_.size()),
        scratch_(pool_->workers()) {}

  Status index(Batch& batch) override {
    batch.table_index.resize(tables_.size());
    std::atomic<size_t> next{0};
    pool_->run([&](size_t worker) {
      for (size_t t = next++; t < tables_.size(); t = next++) {
        auto index = build_table_index(tables_[t], batch.ids, scratch_[worker], buffers_[t]);
        statuses_[t] = index.status();
        batch.table_index[t] = index.ok() ? index.value() : BatchTableIndex{};
      }
    });
    for (const Status& status : statuses_) PRERANK_RETURN_IF_ERROR(status);
    return {};
  }

 private:
  std::vector<TableInputs> tables_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<TableIndexBuffers> buffers_;
  std::vector<Status> statuses_;
  std::vector<TableIndexScratch> scratch_;
};

// What the indexer must know of the plan's id inputs.
std::vector<IdSource> id_sources(const Plan& plan) {
  std::vector<IdSource> sources;
  for (const PlanIdInput& input : plan.id_inputs) {
    IdSource source;
    source.domain = input.domain;
    source.column = input.name;
    source.multi = input.multi;
    source.table = input.table;
    source.table_rows = plan.tables[static_cast<size_t>(input.table)].rows;
    sources.push_back(std::move(source));
  }
  for (const PlanSparseGradient& gradient : plan.sparse_gradients) {
    sources[static_cast<size_t>(gradient.id_input)].pooling = gradient.pooling;
  }
  return sources;
}

}  // namespace

Result<std::unique_ptr<TableIndexer>> TableIndexer::create(std::vector<int64_t> tables, std::vector<IdSource> ids,
                                                           size_t threads) {
  if (threads == 0) return Status(Code::kInvalidArgument, "a table indexer needs at least one thread");
  PRERANK_ASSIGN_OR_RETURN(std::vector<TableInputs> groups, group_by_table(tables, ids));
  const size_t workers = std::clamp<size_t>(groups.size(), 1, threads);
  PRERANK_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::create(workers));
  return std::unique_ptr<TableIndexer>(std::make_unique<TableIndexerImpl>(std::move(groups), std::move(pool)));
}

Result<std::unique_ptr<TableIndexer>> TableIndexer::create(const Plan& plan, size_t threads) {
  std::vector<int64_t> rows;
  for (const PlanTable& table : plan.tables) rows.push_back(table.rows);
  return create(std::move(rows), id_sources(plan), threads);
}

}  // namespace prerank
