#include "arrow/stage.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "arrow/batch_stream.h"
#include "arrow/column_union.h"
#include "duckdb/session.h"

namespace prerank::arrow {
namespace {

// Of the memory, for the decoded values of a record batch, and as much again for dictionaries; the rest is DuckDB's.
constexpr uint64_t kBatchShare = 4;

std::string quoted(const std::string& text, char quote) {
  std::string result(1, quote);
  for (const char c : text) result.append(c == quote ? 2 : 1, c);
  return result + quote;
}

std::string identifier(const std::string& name) { return quoted(name, '"'); }

struct Plan {
  std::vector<FileGroup> groups;
  std::vector<UnitedColumn> columns;
};

Result<Plan> make_plan(const StageSpec& spec, const std::function<bool()>& cancelled) {
  Plan plan;
  for (const std::string& path : spec.paths) {
    if (cancelled()) return Status(Code::kCancelled, "reading Arrow files was cancelled");
    PRERANK_ASSIGN_OR_RETURN(const std::shared_ptr<const IpcFile> file, IpcFile::open(path));
    PRERANK_ASSIGN_OR_RETURN(std::vector<Field> columns, readable_columns(*file));
    if (plan.groups.empty() || plan.groups.back().columns != columns) {
      PRERANK_RETURN_IF_ERROR(unite_columns(plan.columns, columns, path));
      plan.groups.push_back({.paths = {}, .columns = std::move(columns)});
    }
    plan.groups.back().paths.push_back(path);
  }
  return plan;
}

std::string numbered(const char* name, size_t number) { return std::string(name).append(std::to_string(number)); }

std::string view_name(size_t group) { return numbered("arrow_files_", group); }

std::string select(const Plan& plan, size_t group, const StageSpec& spec) {
  const std::vector<Field>& present = plan.groups[group].columns;
  std::string list;
  for (const UnitedColumn& column : plan.columns) {
    const auto found = std::find_if(present.begin(), present.end(),
                                    [&](const Field& field) { return field.name == column.name; });
    const std::string value =
        found == present.end() ? "NULL" : numbered("c", static_cast<size_t>(found - present.begin()));
    list += "CAST(" + value + " AS " + column.type.sql() + ") AS " + identifier(column.name) + ", ";
  }
  const size_t count = present.size();
  list += numbered("c", count) + " AS " + identifier(spec.file_column) + ", ";
  list += numbered("c", count + 1) + " AS " + identifier(spec.row_column);
  return "SELECT " + list + " FROM " + view_name(group);
}

std::string copy_statement(const Plan& plan, const StageSpec& spec) {
  std::string query;
  for (size_t i = 0; i < plan.groups.size(); ++i) query += (i == 0 ? "" : " UNION ALL ") + select(plan, i, spec);
  return "COPY (" + query + ") TO " + quoted(spec.output, '\'') +
         " (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 122880)";
}

Status check_names(const Plan& plan, const StageSpec& spec) {
  for (const UnitedColumn& column : plan.columns) {
    if (column.name == spec.file_column || column.name == spec.row_column) {
      return {Code::kInvalidArgument, column.path + ": a column must not have the name \"" + column.name + "\""};
    }
  }
  return {};
}

}  // namespace

Result<uint64_t> stage_arrow(const StageSpec& spec, const std::function<bool()>& cancelled) {
  if (spec.paths.empty()) return Status(Code::kInvalidArgument, "no Arrow files to read");
  PRERANK_ASSIGN_OR_RETURN(const Plan plan, make_plan(spec, cancelled));
  PRERANK_RETURN_IF_ERROR(check_names(plan, spec));

  // Before the connection, which may hold arrays of theirs until its end.
  std::vector<std::unique_ptr<BatchStream>> streams;
  PRERANK_ASSIGN_OR_RETURN(const auto database, duckdb::Database::open(spec.library, {}));
  PRERANK_ASSIGN_OR_RETURN(const auto connection, duckdb::Connection::open(database));
  for (const std::string& statement : spec.setup) PRERANK_RETURN_IF_ERROR(connection->run(statement));
  PRERANK_RETURN_IF_ERROR(connection->run("SET preserve_insertion_order = true"));
  for (size_t i = 0; i < plan.groups.size(); ++i) {
    streams.push_back(std::make_unique<BatchStream>(plan.groups[i], spec.memory_bytes / kBatchShare, cancelled));
    if (connection->api().arrow_scan(connection->handle(), view_name(i).c_str(), streams.back()->stream()) !=
        duckdb::kSuccess) {
      return Status(Code::kInternal, plan.groups[i].paths.front() + ": DuckDB does not take its columns");
    }
  }
  const Status copied = connection->run(copy_statement(plan, spec));
  uint64_t rows = 0;
  for (const auto& stream : streams) {
    PRERANK_RETURN_IF_ERROR(stream->status());  // says more than DuckDB's error about it
    rows += stream->rows();
  }
  PRERANK_RETURN_IF_ERROR(copied);
  return rows;
}

}  // namespace prerank::arrow
