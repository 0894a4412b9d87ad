#include <barrier>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <thread>

#include "kernel_harness.h"

namespace prerank::test {
namespace {

struct Sizes {
  size_t in, out;
};

// One output up to wide ones: own loops, oneDNN, and both in one tile.
const Sizes kSizes[] = {{1, 1}, {3, 1}, {33, 1}, {7, 3}, {16, 4}, {1, 7}, {7, 16}, {33, 33}, {130, 24}};

double activate(const std::string& name, double x) {
  if (name == "relu") return x > 0 ? x : 0;
  if (name == "sigmoid") return 1 / (1 + std::exp(-x));
  if (name == "tanh") return std::tanh(x);
  return x;
}

std::vector<int64_t> matrix(size_t out, size_t in) { return {static_cast<int64_t>(out), static_cast<int64_t>(in)}; }

TEST(KernelLinear, ForwardWithBiasAndActivation) {
  for_each_isa([] {
    for (const Sizes& size : kSizes) {
      for (const size_t rows : kRowCounts) {
        for (const char* activation : {"none", "relu", "sigmoid", "tanh"}) {
          for (const bool bias : {true, false}) {
            const std::vector<float> x = random_floats(rows * size.in, 1),
                                     w = random_floats(size.out * size.in, 2, -0.5f, 0.5f),
                                     b = random_floats(size.out, 3);
            OpHarness harness("linear", rows);
            harness.op.strings["activation"] = activation;
            harness.op.inputs = {harness.value(size.in, x),
                                 harness.value(size.out * size.in, w, Domain::kNone, matrix(size.out, size.in))};
            if (bias) harness.op.inputs.push_back(harness.value(size.out, b, Domain::kNone));
            const int32_t y = harness.value(size.out);
            harness.op.outputs = {y};
            harness.run(100);
            std::vector<double> want;
            for (size_t r = 0; r < rows; ++r) {
              for (size_t o = 0; o < size.out; ++o) {
                double sum = bias ? static_cast<double>(b[o]) : 0;
                for (size_t i = 0; i < size.in; ++i) {
                  sum += static_cast<double>(x[r * size.in + i]) * static_cast<double>(w[o * size.in + i]);
                }
                want.push_back(activate(activation, sum));
              }
            }
            expect_near(harness.read(y), want, 1e-5, std::string("linear ") + activation);
            harness.expect_sentinels();
          }
        }
      }
    }
  });
}

TEST(KernelLinear, GradientOfTheInput) {
  for_each_isa([] {
    for (const Sizes& size : kSizes) {
      for (const size_t rows : kRowCounts) {
        const std::vector<float> d = random_floats(rows * size.out, 1), w = random_floats(size.out * size.in, 2);
        OpHarness harness("linear.dx", rows);
        harness.op.inputs = {harness.value(size.out, d),
                             harness.value(size.out * size.in, w, Domain::kNone, matrix(size.out, size.in))};
        const int32_t dx = harness.value(size.in);
        harness.op.outputs = {dx};
        harness.run(100);
        std::vector<double> want(rows * size.in);
        for (size_t r = 0; r < rows; ++r) {
          for (size_t o = 0; o < size.out; ++o) {
            for (size_t i = 0; i < size.in; ++i) {
              want[r * size.in + i] +=
                  static_cast<double>(d[r * size.out + o]) * static_cast<double>(w[o * size.in + i]);
            }
          }
        }
        expect_near(harness.read(dx), want, 2e-5, "linear.dx");
        harness.expect_sentinels();
      }
    }
  });
}

TEST(KernelLinear, GradientOfTheWeightsIsAdded) {
  for_each_isa([] {
    for (const Sizes& size : kSizes) {
      for (const size_t rows : kRowCounts) {
        for (const bool bias : {true, false}) {
          const std::vector<float> d = random_floats(rows * size.out, 1), x = random_floats(rows * size.in, 2),
                                   w0 = random_floats(size.out * size.in, 3), b0 = random_floats(size.out, 4);
          OpHarness harness("linear.dw", rows);
          harness.op.inputs = {harness.value(size.out, d), harness.value(size.in, x)};
          const int32_t dw = harness.value(size.out * size.in, w0, Domain::kNone, matrix(size.out, size.in));
          const int32_t db = harness.value(size.out, b0, Domain::kNone);
          harness.op.outputs = {dw};
          if (bias) harness.op.outputs.push_back(db);
          harness.run(100);
          std::vector<double> want_w(w0.begin(), w0.end()), want_b(b0.begin(), b0.end());
          for (size_t r = 0; r < rows; ++r) {
            for (size_t o = 0; o < size.out; ++o) {
              const double g = static_cast<double>(d[r * size.out + o]);
              if (bias) want_b[o] += g;
              for (size_t i = 0; i < size.in; ++i)
                want_w[o * size.in + i] += g * static_cast<double>(x[r * size.in + i]);
            }
          }
          expect_near(harness.read(dw), want_w, 2e-5, "dW");
          expect_near(harness.read(db), want_b, 2e-5, "db");
          harness.expect_sentinels();
        }
      }
    }
  });
}

size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

// Two workers share a kernel: each has its own memory, and neither opens an OpenMP team.
TEST(KernelLinear, WorkersRunAtOnceWithOneThreadEach) {
  constexpr size_t kRows = 128, kIn = 64, kOut = 48;
  std::vector<float> w = random_floats(kOut * kIn, 2), b = random_floats(kOut, 3);
  OpHarness harness("linear", kRows);
  harness.op.strings["activation"] = "relu";
  harness.op.inputs = {harness.value(kIn), harness.value(kOut * kIn, {}, Domain::kNone, matrix(kOut, kIn)),
                       harness.value(kOut, {}, Domain::kNone)};
  harness.op.outputs = {harness.value(kOut)};
  harness.plan.values[0].stride = kIn;
  harness.plan.values[3].stride = kOut;
  const auto kernel = harness.build();
  ASSERT_TRUE(kernel.ok());

  std::vector<float> x[2], y[2], alone[2];
  const auto run = [&](size_t worker, std::vector<float>& result) {
    std::vector<float*> base = {x[worker].data(), w.data(), b.data(), result.data()};
    TileContext context;
    context.rows = kRows;
    context.worker = worker;
    context.base = base;
    kernel.value()->run(context);
  };
  for (const size_t worker : {0, 1}) {
    x[worker] = random_floats(kRows * kIn, 20 + worker);
    y[worker].resize(kRows * kOut);
    alone[worker].resize(kRows * kOut);
    run(worker, alone[worker]);
  }
  const size_t before = threads_of_this_process();
  std::barrier together(3);
  std::vector<std::thread> threads;
  for (const size_t worker : {0, 1}) {
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 200; ++i) run(worker, y[worker]);
      together.arrive_and_wait();  // keeps the thread, and any team it opened, alive while threads are counted
      together.arrive_and_wait();
    });
  }
  together.arrive_and_wait();
  EXPECT_EQ(threads_of_this_process(), before + 2);
  together.arrive_and_wait();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(y[0], alone[0]);
  EXPECT_EQ(y[1], alone[1]);
}

TEST(KernelLinear, RunsOnceForDomainNone) {
  OpHarness harness("linear", 1, Domain::kNone);
  harness.op.strings["activation"] = "relu";
  harness.op.inputs = {harness.value(2, {1, 2}, Domain::kNone), harness.value(4, {1, 1, -1, -1}, Domain::kNone, {2, 2}),
                       harness.value(2, {0.5f, 0}, Domain::kNone)};
  const int32_t y = harness.value(2, {}, Domain::kNone);
  harness.op.outputs = {y};
  harness.run();
  EXPECT_EQ(harness.read(y), (std::vector<float>{3.5f, 0}));
}

}  // namespace
}  // namespace prerank::test
