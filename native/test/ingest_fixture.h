// A log of requests for the tests of the ingest, and the dataset that it becomes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "log_fixture.h"
#include "prerank/ingest.h"

namespace prerank::test {

// Row i of the log. Requests grow: 1, 3, 5, … rows.
struct LogRow {
  int64_t request, ad;
  double x;
  int64_t tag;
  std::vector<int64_t> tags;
  float label;
};
LogRow log_row(uint64_t i);
// A query that makes the rows, columns request, ad, x, tag, tags, y.
std::string log_query(uint64_t rows);
inline constexpr const char* kLogColumns = "request, ad, x, tag, tags, y";

// Request and ad codes, x as a dense feature, tag and tags as ids (tables 0 and 1), y as a label; parts are profiled.
enum class Tables { kHashed, kVocabulary };
IngestSpec ingest_spec(LogSource source, Tables tables, std::string folder);

// What the files hold: a vector a column, lists one after the other.
struct ReadDataset {
  std::map<std::string, std::vector<double>> values;
  std::map<std::string, std::vector<size_t>> lengths;  // of lists
  std::vector<std::vector<double>> batch_requests;     // the request column, record batch by record batch
  std::string bytes;                                   // names and contents of all files
};
// Fails the test where a file does not fit the result: sizes, rows, checksums.
ReadDataset read_dataset(const IngestSpec& spec, const IngestResult& result);

// Runs a spec that must succeed.
IngestResult run_ingest(const IngestSpec& spec);

}  // namespace prerank::test
