// LoaderOptions checked against a dataset and resolved to columns: what batch assembly works from.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "io/fault_guard.h"
#include "io/row_set.h"
#include "io/table_index.h"
#include "prerank/dataset.h"
#include "prerank/loader.h"

namespace prerank {

struct LoaderPlan {
  struct Dense {
    Domain domain = Domain::kRow;
    std::vector<const Column*> columns;
  };
  struct Ids {
    IdSource source;
    const Column* column = nullptr;
    const Column* weights = nullptr;  // lists only
  };
  // Columns of a task, as indices into `floats` and `flags`, which are gathered once however many tasks read them.
  struct Task {
    TaskSource source;
    size_t target = 0;
    std::optional<size_t> pseudo, shown, traffic;
  };

  LoaderOptions options;
  std::shared_ptr<Dataset> dataset;
  RowLocator locator;
  SourceWatch watch;
  std::vector<Dense> dense;
  std::vector<Ids> ids;
  std::vector<Task> tasks;            // training only
  std::vector<const Column*> floats;  // distinct float columns that tasks read
  std::vector<const Column*> flags;   // distinct uint8 columns that tasks read
  const Column* request = nullptr;
  const Column* weight = nullptr;
  std::vector<TableInputs> tables;  // when a table index is wanted

  // kNotFound, kInvalidArgument or kUnsupported with the option or column that is wrong.
  static Result<LoaderPlan> create(std::shared_ptr<Dataset> dataset, LoaderOptions options);
};

}  // namespace prerank
