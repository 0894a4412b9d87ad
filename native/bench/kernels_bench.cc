// Times the kernels that carry a training step: linear forward and backward, embedding bags, the fused sparse update and the dot
// interaction. One JSON object a line: kernel, shape, median and best microseconds, GFLOP/s or GB/s at the median.
// Usage: prerank_bench [repetitions]      pin it to a core (taskset -c 1) and compare medians within one run.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "cpu/dispatch.h"
#include "cpu/matmul.h"
#include "cpu/optimizers.h"
#include "cpu/simd/table.h"

namespace prerank {
namespace {

using cpu::Activation;
using cpu::Matmul;
using cpu::MatmulShape;

constexpr int kWarmUp = 3;

struct Timing {
  double median = 0, best = 0;  // seconds
};

Timing time_of(int repetitions, const std::function<void()>& run) {
  std::vector<double> seconds;
  for (int i = 0; i < kWarmUp + repetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    if (i >= kWarmUp) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.front()};
}

void report(const char* kernel, const std::string& shape, Timing timing, const char* unit, double amount) {
  std::printf("{\"kernel\":\"%s\",\"shape\":\"%s\",\"isa\":\"%s\",\"medianUs\":%.2f,\"bestUs\":%.2f,\"%s\":%.2f}\n", kernel,
              shape.c_str(), cpu::active_isa(), timing.median * 1e6, timing.best * 1e6, unit, amount / timing.median * 1e-9);
}

// Exits with the status' message: a benchmark has nobody to hand it to.
template <class T>
T value_or_exit(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

AlignedBuffer random_floats(size_t count, std::mt19937& random) {
  AlignedBuffer buffer = value_or_exit(AlignedBuffer::floats(count));
  std::normal_distribution<float> normal;
  for (float& x : buffer.as<float>()) x = normal(random);
  return buffer;
}

std::string text(size_t m, size_t k, size_t n) {
  return std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n);
}

void bench_linear(int repetitions, std::mt19937& random) {
  const size_t rows = 256;
  for (const auto& [in, out] : {std::pair<size_t, size_t>{292, 256}, {256, 128}, {128, 64}, {512, 512}}) {
    const AlignedBuffer x = random_floats(rows * in, random), w = random_floats(out * in, random);
    const AlignedBuffer b = random_floats(out, random), y = random_floats(rows * out, random);
    const double flops = 2.0 * static_cast<double>(rows * in * out);
    MatmulShape forward{.m = rows, .k = in, .n = out};
    forward.a_row = in;
    forward.b_row = 1;
    forward.b_column = in;
    forward.c_row = out;
    forward.bias = true;
    forward.activation = Activation::kRelu;
    MatmulShape dx{.m = rows, .k = out, .n = in};
    dx.a_row = out;
    dx.b_row = in;
    dx.c_row = in;
    MatmulShape dw{.m = out, .k = rows, .n = in};
    dw.a_row = 1;
    dw.a_column = out;
    dw.b_row = in;
    dw.c_row = in;
    dw.accumulate = true;
    const Matmul run_forward = value_or_exit(Matmul::create(forward, 1, "bench"));
    const Matmul run_dx = value_or_exit(Matmul::create(dx, 1, "bench"));
    const Matmul run_dw = value_or_exit(Matmul::create(dw, 1, "bench"));
    float *px = x.as<float>().data(), *pw = w.as<float>().data(), *pb = b.as<float>().data(), *py = y.as<float>().data();
    report("linear+bias+relu", text(rows, in, out), time_of(repetitions, [&] { run_forward.run(0, px, pw, pb, py); }),
           "gflops", flops);
    report("linear.dx", text(rows, in, out), time_of(repetitions, [&] { run_dx.run(0, py, pw, nullptr, px); }), "gflops",
           flops);
    report("linear.dw", text(rows, in, out), time_of(repetitions, [&] { run_dw.run(0, py, px, nullptr, pw); }), "gflops",
           flops);
  }
}

// Distinct table rows with their bags, in the layout of a batch's table index; ids follow a power law.
struct Lookups {
  std::vector<uint32_t> ids, offsets, rows, starts, bags;
  std::vector<uint16_t> inputs;
  std::vector<float> coefficients;

  Lookups(size_t bag_count, size_t mean_length, size_t table_rows, std::mt19937& random) {
    std::uniform_real_distribution<double> uniform;
    std::uniform_int_distribution<size_t> length(1, 2 * mean_length - 1);
    std::vector<std::pair<uint32_t, uint32_t>> entries;
    offsets.push_back(0);
    for (uint32_t bag = 0; bag < bag_count; ++bag) {
      for (size_t i = length(random); i > 0; --i) {
        const double rank = std::pow(static_cast<double>(table_rows), uniform(random)) - 1;
        const auto id = static_cast<uint32_t>(static_cast<uint64_t>(rank) * 2654435761u % table_rows);
        ids.push_back(id);
        entries.emplace_back(id, bag);
      }
      offsets.push_back(static_cast<uint32_t>(ids.size()));
    }
    std::stable_sort(entries.begin(), entries.end(), [](auto a, auto b) { return a.first < b.first; });
    for (const auto& [row, bag] : entries) {
      if (rows.empty() || rows.back() != row) {
        rows.push_back(row);
        starts.push_back(static_cast<uint32_t>(bags.size()));
      }
      bags.push_back(bag);
    }
    starts.push_back(static_cast<uint32_t>(bags.size()));
    inputs.assign(bags.size(), 0);
    coefficients.assign(bags.size(), 1.0f);
  }

  BatchTableIndex index() const { return {rows, starts, bags, inputs, coefficients}; }
};

void bench_embedding(int repetitions, std::mt19937& random) {
  constexpr size_t kRows = 4096, kTableRows = 100'000, kDim = 32;
  const AlignedBuffer table = random_floats(kTableRows * kDim, random), pooled = random_floats(kRows * kDim, random);
  const AlignedBuffer state = value_or_exit(AlignedBuffer::floats(kTableRows * kDim));
  for (const size_t mean_length : {size_t{1}, size_t{20}}) {
    const Lookups lookups(kRows, mean_length, kTableRows, random);
    const std::string shape = std::to_string(kRows) + " bags of " + std::to_string(mean_length) + ", dim 32";
    const double gathered = static_cast<double>(lookups.ids.size() * kDim * sizeof(float));
    cpu::BagArguments bags = {};
    bags.rows = kRows;
    bags.dim = kDim;
    bags.table = table.as<float>().data();
    bags.ids = lookups.ids.data();
    bags.id_count = lookups.ids.size();
    bags.offsets = lookups.offsets.data();
    bags.y = pooled.as<float>().data();
    bags.ys = kDim;
    report("embedding bag", shape, time_of(repetitions, [&] { cpu::simd().embedding_bags(bags); }), "gbps", gathered);

    const TableView view{table.as<float>().data(), kTableRows, kDim};
    const cpu::PooledGradient gradient{pooled.as<float>().data(), kDim};
    for (const auto& [name, kind] : {std::pair{"sparse update row-wise adagrad", SparseOptimizerKind::kRowwiseAdagrad},
                                     std::pair{"sparse update adagrad", SparseOptimizerKind::kAdagrad}}) {
      SparseOptimizer optimizer;
      optimizer.kind = kind;
      const size_t width = kind == SparseOptimizerKind::kRowwiseAdagrad ? 1 : kDim;
      const auto run = [&] {
        cpu::update_sparse_rows(optimizer, 0, 1e-6, 1, view, state.as<float>().first(kTableRows * width), {},
                                lookups.index(), 0, lookups.rows.size(), std::span(&gradient, 1));
      };
      const double rows = static_cast<double>(lookups.rows.size() * (kDim + width) * sizeof(float));
      report(name, shape, time_of(repetitions, run), "gbps", gathered + 2 * rows);
    }
  }
}

}  // namespace
}  // namespace prerank

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(1, std::atoi(argv[1])) : 50;
  std::mt19937 random(1);
  prerank::bench_linear(repetitions, random);
  prerank::bench_embedding(repetitions, random);
  return 0;
}
