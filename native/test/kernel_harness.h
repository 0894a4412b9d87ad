// Runs one operation of a hand-built plan on strided views with sentinels around them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/dispatch.h"
#include "prerank/kernel.h"

namespace prerank::test {

// Calls `body` once for every instruction set of this processor.
void for_each_isa(const std::function<void()>& body);

inline constexpr size_t kRowCounts[] = {1, 3, 17, 255};
inline constexpr size_t kWidths[] = {1, 3, 7, 16, 33};

std::vector<float> random_floats(size_t n, uint64_t seed, float low = -2, float high = 2);

// |got - want| <= tolerance * (1 + |want|).
void expect_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance,
                 const std::string& what);

class OpHarness {
 public:
  static constexpr size_t kWorkers = 2;

  OpHarness(std::string kind, size_t rows, Domain segment = Domain::kRow);

  // A value [rows, width] (domain none: [width]) holding `data`, or zeros, as columns of a wider root; `shape` defaults
  // to [width]. Returns its id.
  int32_t value(size_t width, const std::vector<float>& data = {}, Domain domain = Domain::kRow,
                std::vector<int64_t> shape = {});
  // As value, with the number of rows given (values of a domain other than the segment's).
  int32_t value_of_rows(size_t rows, size_t width, const std::vector<float>& data, Domain domain,
                        std::vector<int64_t> shape = {});

  // Builds the kernel and runs it over the rows in tiles of `tile_rows`. Fails the test when the build fails.
  void run(size_t tile_rows = 256);
  // Only builds it.
  Result<std::unique_ptr<Kernel>> build(size_t tile_rows = 256);

  // What a program does before the tiles of a step, for each worker.
  void prepare(Kernel& kernel);

  std::vector<float> read(int32_t id) const;
  // Nothing around the views was written.
  void expect_sentinels() const;

  Plan plan;
  PlanOp op;
  Batch batch;
  std::vector<TableView> tables;
  std::vector<TaskStats> stats;
  bool training = true;
  uint64_t seed = 1, step = 0;

 private:
  struct Memory {
    std::vector<float> floats;
    size_t rows = 0, first = 0, stride = 0, width = 0;
  };

  size_t rows_;
  Domain segment_;
  std::vector<Memory> memory_;
};

// A row's outputs (concatenated) from its inputs, in double.
using RowFunction = std::function<std::vector<double>(const std::vector<std::vector<double>>& inputs)>;

struct RowCase {
  std::string forward = {};            // kind, "" to skip
  std::string backward = {};           // kind, "" to skip
  std::vector<size_t> widths = {};     // of the inputs
  size_t output = 0;                   // width of the result
  std::vector<int> grad_inputs = {};   // what the gradient takes after dY: input numbers, -1 = the result
  std::vector<int> grad_outputs = {};  // inputs whose gradients it gives, in order
  std::map<std::string, double> numbers = {};
  std::map<std::string, std::string> strings = {};
  float low = -2, high = 2;
  double tolerance = 4e-6;
  std::vector<bool> none = {};  // inputs of domain none (forward only)
};

// Compares the forward kernel with `function`, and the backward one with its central differences, for every row count
// and instruction set.
void check_rows(const RowCase& c, const RowFunction& function);

}  // namespace prerank::test
