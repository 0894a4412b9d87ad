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
#include "prerank/parameter_store.h"

namespace prerank::test {

// The same tests are part of two programs: of prerank_tests, for the CPU's kernels (kernel_target.cc), and of
// prerank_cuda_tests, for the CUDA kernels on the emulated device (cuda/kernel_target.cc).

// Calls `body` once for every instruction set of this processor.
void for_each_isa(const std::function<void()>& body);
// Calls `body` for each way in which OpHarness::run runs the program's kernels: for every instruction set, or on the
// emulated device for every layout of values.
void for_each_target(const std::function<void()>& body);

// How the values of a harness lie in memory.
struct Layout {
  const char* name;
  size_t margin;  // floats before the first row and behind the last
  size_t (*stride)(size_t width);
};
// Columns of a wider root at odd addresses.
inline constexpr Layout kOddLayout = {"odd", 5, [](size_t width) { return width + 10; }};
// Of harnesses made from now on; at first kOddLayout.
void use_layout(const Layout& layout);

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

  // A value [rows, width] (domain none: [width]) holding `data`, or zeros. `shape` defaults to [width]. Returns its id.
  int32_t value(size_t width, const std::vector<float>& data = {}, Domain domain = Domain::kRow,
                std::vector<int64_t> shape = {});
  // As value, with the number of rows given (values of a domain other than the segment's).
  int32_t value_of_rows(size_t rows, size_t width, const std::vector<float>& data, Domain domain,
                        std::vector<int64_t> shape = {});

  // Builds the target's kernel and runs it over the rows; the CPU's in tiles of `tile_rows`. Fails the test when the build
  // fails.
  void run(size_t tile_rows = 256);
  // What building it says.
  Status build_status();

  // The same on the CPU in any case.
  void run_on_cpu(size_t tile_rows = 256);
  Result<std::unique_ptr<Kernel>> build(size_t tile_rows = 256);

  // What a program does before the tiles of a step, for each worker.
  void prepare(Kernel& kernel);
  // Address of every value's row 0.
  std::vector<float*> addresses();
  size_t rows() const { return rows_; }
  Domain segment() const { return segment_; }

  std::vector<float> read(int32_t id) const;
  // Nothing around the views was written.
  void expect_sentinels() const;

  Plan plan;
  PlanOp op;
  Batch batch;
  std::vector<TableView> tables;
  std::vector<TaskStats> stats;
  bool training = true;
  bool bfloat16_products = false;  // on the CPU
  MatmulPrecision device_products = MatmulPrecision::kFloat32;
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

// That a linear layer's kernel gives a row the same bits whether it is computed alone or together with others, and on two
// threads at once. The first of the operation's inputs is `x`, [rows, in], and its output [rows, out].
void expect_rows_stand_alone(OpHarness& harness, const std::vector<float>& x, size_t in, size_t out);

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
