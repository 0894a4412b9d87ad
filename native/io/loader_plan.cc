#include "io/loader_plan.h"

#include <algorithm>
#include <string>
#include <utility>

namespace prerank {
namespace {

constexpr size_t kMaxTasks = 32;  // bits of Batch::task_mask
constexpr size_t kMaxTables = 65536;

const char* type_name(ColumnType type) {
  switch (type) {
    case ColumnType::kFloat32:
      return "float32";
    case ColumnType::kUint32:
      return "uint32";
    case ColumnType::kUint8:
      return "uint8";
    case ColumnType::kListUint32:
      return "list<uint32>";
    case ColumnType::kListFloat32:
      return "list<float32>";
  }
  return "unknown";
}

// Looks columns up, checks their type and notes what mapping they lie in.
class Resolver {
 public:
  Resolver(const Dataset& dataset, SourceWatch& watch) : dataset_(dataset), watch_(watch) {}

  Result<const Column*> column(const std::string& name, ColumnType type) {
    PRERANK_ASSIGN_OR_RETURN(const size_t index, dataset_.find(name));
    const Column& found = dataset_.columns()[index];
    if (found.type != type) {
      return Status(Code::kInvalidArgument,
                    "column " + name + " is " + type_name(found.type) + ", but " + type_name(type) + " is needed");
    }
    for (const ColumnChunk& chunk : found.chunks) {
      watch_.add(chunk.values);
      if (chunk.offsets != nullptr) watch_.add(chunk.offsets);
    }
    return &found;
  }

  // Index of the column in `list`, which it joins unless it is there.
  Result<size_t> shared(std::vector<const Column*>& list, const std::string& name, ColumnType type) {
    PRERANK_ASSIGN_OR_RETURN(const Column* const found, column(name, type));
    const auto at = static_cast<size_t>(std::find(list.begin(), list.end(), found) - list.begin());
    if (at == list.size()) list.push_back(found);
    return at;
  }

  Result<std::optional<size_t>> shared_if_named(std::vector<const Column*>& list, const std::string& name,
                                                ColumnType type) {
    if (name.empty()) return std::optional<size_t>();
    PRERANK_ASSIGN_OR_RETURN(const size_t index, shared(list, name, type));
    return std::optional<size_t>(index);
  }

 private:
  const Dataset& dataset_;
  SourceWatch& watch_;
};

Status check_numbers(const LoaderOptions& options) {
  if (options.batch_size < 1 || options.batch_size > (size_t{1} << 24)) {
    return {Code::kInvalidArgument,
            "batchSize is " + std::to_string(options.batch_size) + ": between 1 and 16777216 is possible"};
  }
  if (options.threads < 1 || options.threads > 1024)
    return {Code::kInvalidArgument, "a loader needs between 1 and 1024 threads"};
  if (options.prefetch > 1024) return {Code::kInvalidArgument, "prefetch must be at most 1024 batches"};
  if (options.shuffle == Shuffle::kWindow && options.window_rows < 1) {
    return {Code::kInvalidArgument, "windowRows must be at least 1 for shuffle window"};
  }
  if (options.tasks.size() > kMaxTasks) return {Code::kUnsupported, "more than 32 tasks"};
  return {};
}

Status check_domain(Domain domain, const LoaderOptions& options, const std::string& what) {
  if (domain == Domain::kNone) return {Code::kInvalidArgument, what + " must be in the row or the request domain"};
  if (domain == Domain::kRequest && options.request.empty()) {
    return {Code::kInvalidArgument, what + " is in the request domain: name the request column"};
  }
  return {};
}

Status resolve_dense(LoaderPlan& plan, Resolver& resolver) {
  for (const DenseSource& source : plan.options.dense) {
    const std::string what = "dense input " + std::to_string(plan.dense.size());
    if (source.columns.empty()) return {Code::kInvalidArgument, what + " has no columns"};
    PRERANK_RETURN_IF_ERROR(check_domain(source.domain, plan.options, what));
    LoaderPlan::Dense dense{source.domain, {}};
    for (const std::string& name : source.columns) {
      PRERANK_ASSIGN_OR_RETURN(const Column* const column, resolver.column(name, ColumnType::kFloat32));
      dense.columns.push_back(column);
    }
    plan.dense.push_back(std::move(dense));
  }
  return {};
}

Status resolve_ids(LoaderPlan& plan, Resolver& resolver) {
  for (const IdSource& source : plan.options.ids) {
    PRERANK_RETURN_IF_ERROR(check_domain(source.domain, plan.options, "id column " + source.column));
    LoaderPlan::Ids ids{source, nullptr, nullptr};
    PRERANK_ASSIGN_OR_RETURN(
        ids.column, resolver.column(source.column, source.multi ? ColumnType::kListUint32 : ColumnType::kUint32));
    if (!source.weights.empty()) {
      if (!source.multi)
        return {Code::kInvalidArgument, "column " + source.column + " has one id per row: only lists take weights"};
      PRERANK_ASSIGN_OR_RETURN(ids.weights, resolver.column(source.weights, ColumnType::kListFloat32));
    }
    plan.ids.push_back(std::move(ids));
  }
  return {};
}

Status resolve_tasks(LoaderPlan& plan, Resolver& resolver) {
  for (const TaskSource& source : plan.options.tasks) {
    LoaderPlan::Task task;
    task.source = source;
    if ((!source.pseudo.empty() || source.unseen != Unseen::kLabel) && source.shown.empty()) {
      return {Code::kInvalidArgument,
              "the task on column " + source.target + " says what unseen rows teach but has no shown column"};
    }
    PRERANK_ASSIGN_OR_RETURN(task.target, resolver.shared(plan.floats, source.target, ColumnType::kFloat32));
    if (source.unseen == Unseen::kLabel) {
      PRERANK_ASSIGN_OR_RETURN(task.pseudo, resolver.shared_if_named(plan.floats, source.pseudo, ColumnType::kFloat32));
    }
    PRERANK_ASSIGN_OR_RETURN(task.shown, resolver.shared_if_named(plan.flags, source.shown, ColumnType::kUint8));
    PRERANK_ASSIGN_OR_RETURN(task.traffic, resolver.shared_if_named(plan.flags, source.traffic, ColumnType::kUint8));
    plan.tasks.push_back(std::move(task));
  }
  return {};
}

// Row counts per table; inputs of one table must agree.
Status resolve_tables(LoaderPlan& plan) {
  std::vector<int64_t> rows;
  for (const IdSource& source : plan.options.ids) {
    if (source.table < 0 || source.table_rows < 1) {
      return {Code::kInvalidArgument, "id column " + source.column + " needs a table with at least one row"};
    }
    const auto table = static_cast<size_t>(source.table);
    if (table >= kMaxTables) return {Code::kUnsupported, "id column " + source.column + ": more than 65536 tables"};
    if (table >= rows.size()) rows.resize(table + 1, 0);
    if (rows[table] != 0 && rows[table] != source.table_rows) {
      return {Code::kInvalidArgument, "id column " + source.column + " gives table " + std::to_string(table) + " " +
                                          std::to_string(source.table_rows) + " rows, another gives it " +
                                          std::to_string(rows[table])};
    }
    rows[table] = source.table_rows;
  }
  if (!plan.options.training || !plan.options.table_index) return {};
  for (int64_t& count : rows) count = std::max<int64_t>(count, 1);  // a table that no input reads: an empty index
  PRERANK_ASSIGN_OR_RETURN(plan.tables, group_by_table(rows, plan.options.ids));
  return {};
}

}  // namespace

Result<LoaderPlan> LoaderPlan::create(std::shared_ptr<Dataset> dataset, LoaderOptions options) {
  if (dataset == nullptr) return Status(Code::kInvalidArgument, "a loader needs a dataset");
  PRERANK_RETURN_IF_ERROR(check_numbers(options));
  LoaderPlan plan;
  plan.options = std::move(options);
  if (plan.options.prefetch == 0) plan.options.prefetch = std::max<size_t>(2, plan.options.threads);
  plan.dataset = std::move(dataset);
  plan.locator = RowLocator(plan.dataset->columns());
  Resolver resolver(*plan.dataset, plan.watch);
  PRERANK_RETURN_IF_ERROR(resolve_dense(plan, resolver));
  PRERANK_RETURN_IF_ERROR(resolve_ids(plan, resolver));
  if (plan.options.training) PRERANK_RETURN_IF_ERROR(resolve_tasks(plan, resolver));
  if (!plan.options.request.empty()) {
    PRERANK_ASSIGN_OR_RETURN(plan.request, resolver.column(plan.options.request, ColumnType::kUint32));
  }
  if (!plan.options.weight.empty()) {
    PRERANK_ASSIGN_OR_RETURN(plan.weight, resolver.column(plan.options.weight, ColumnType::kFloat32));
  }
  PRERANK_RETURN_IF_ERROR(resolve_tables(plan));
  return plan;
}

}  // namespace prerank
