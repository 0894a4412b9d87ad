#include "kernel_harness.h"

#include <cmath>
#include <cstdlib>
#include <thread>

#include "base/aligned_buffer.h"

namespace prerank::test {
namespace {

constexpr float kSentinel = 12345.5f;
const Layout* layout = &kOddLayout;

std::vector<double> row_of(const std::vector<float>& data, size_t width, size_t row) {
  std::vector<double> out(width);
  for (size_t i = 0; i < width; ++i) out[i] = static_cast<double>(data[row * width + i]);
  return out;
}

}  // namespace

void for_each_isa(const std::function<void()>& body) {
  const cpu::Isa before = cpu::isa();
  for (const cpu::Isa isa : cpu::kIsas) {
    if (!cpu::set_isa_for_test(isa)) continue;
    SCOPED_TRACE(cpu::active_isa());
    body();
  }
  cpu::set_isa_for_test(before);
}

void use_layout(const Layout& chosen) { layout = &chosen; }

std::vector<float> random_floats(size_t n, uint64_t seed, float low, float high) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(random);
  return values;
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - want[i]);
    ASSERT_LE(error, tolerance * (1 + std::abs(want[i])))
        << what << ": element " << i << " is " << got[i] << ", not " << want[i];
  }
}

void expect_rows_stand_alone(OpHarness& harness, const std::vector<float>& x, size_t in, size_t out) {
  const size_t input = static_cast<size_t>(harness.op.inputs[0]), output = static_cast<size_t>(harness.op.outputs[0]);
  harness.plan.values[input].stride = static_cast<int64_t>(in);
  harness.plan.values[output].stride = static_cast<int64_t>(out);
  const auto kernel = harness.build();
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  harness.prepare(*kernel.value());

  std::vector<AlignedBuffer> scratch;
  for (size_t worker = 0; worker < OpHarness::kWorkers; ++worker) {
    scratch.push_back(AlignedBuffer::floats(kernel.value()->scratch()).value());
  }
  const std::vector<float*> addresses = harness.addresses();
  const auto run = [&](size_t worker, size_t first, size_t rows, std::vector<float>& y) {
    std::vector<float*> base = addresses;
    base[input] = const_cast<float*>(x.data()) + first * in;
    base[output] = y.data() + first * out;
    TileContext context;
    context.rows = rows;
    context.worker = worker;
    context.base = base;
    context.scratch = scratch[worker].as<float>().data();
    kernel.value()->run(context);
  };
  const size_t rows = harness.rows();
  std::vector<float> alone(rows * out), together[OpHarness::kWorkers];
  for (size_t row = 0; row < rows; ++row) run(0, row, 1, alone);
  std::vector<std::thread> threads;
  for (size_t worker = 0; worker < OpHarness::kWorkers; ++worker) {
    together[worker].resize(rows * out);
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 50; ++i) run(worker, 0, rows, together[worker]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& y : together) EXPECT_EQ(y, alone);
}

OpHarness::OpHarness(std::string kind, size_t rows, Domain segment) : rows_(rows), segment_(segment) {
  op.kind = std::move(kind);
  op.layer = "test.layer";
  op.id = 7;
  batch.rows = rows;
}

int32_t OpHarness::value(size_t width, const std::vector<float>& data, Domain domain, std::vector<int64_t> shape) {
  return value_of_rows(domain == Domain::kNone ? 1 : rows_, width, data, domain, std::move(shape));
}

int32_t OpHarness::value_of_rows(size_t rows, size_t width, const std::vector<float>& data, Domain domain,
                                 std::vector<int64_t> shape) {
  Memory m;
  m.rows = rows;
  m.width = width;
  m.first = layout->margin;
  m.stride = domain == Domain::kNone ? width : layout->stride(width);
  m.floats.assign(2 * layout->margin + rows * m.stride, kSentinel);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < width; ++i) m.floats[m.first + r * m.stride + i] = data.empty() ? 0.0f : data[r * width + i];
  }
  PlanValue v;
  const int32_t id = static_cast<int32_t>(memory_.size());
  v.name = "value" + std::to_string(id);
  v.domain = domain;
  v.shape = shape.empty() ? std::vector<int64_t>{static_cast<int64_t>(width)} : std::move(shape);
  v.width = static_cast<int64_t>(width);
  v.root = id;
  v.stride = static_cast<int64_t>(m.stride);
  plan.values.push_back(v);
  memory_.push_back(std::move(m));
  return id;
}

Result<std::unique_ptr<Kernel>> OpHarness::build(size_t tile_rows) {
  plan.tile_rows = static_cast<int64_t>(tile_rows);
  KernelBuild build;
  build.plan = &plan;
  build.op = &op;
  build.segment_domain = segment_;
  build.tables = tables;
  build.workers = kWorkers;
  build.bfloat16_products = bfloat16_products;
  return make_cpu_kernel(build);
}

void OpHarness::prepare(Kernel& kernel) {
  const std::vector<float*> base = addresses();
  for (size_t worker = 0; worker < kWorkers; ++worker) {
    TileContext context;
    context.worker = worker;
    context.base = base;
    kernel.prepare(context);
  }
}

std::vector<float*> OpHarness::addresses() {
  std::vector<float*> base;
  for (Memory& m : memory_) base.push_back(m.floats.data() + m.first);
  return base;
}

void OpHarness::run_on_cpu(size_t tile_rows) {
  const auto kernel = build(tile_rows);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  stats.resize(plan.tasks.size());
  prepare(*kernel.value());
  const AlignedBuffer scratch = AlignedBuffer::floats(kernel.value()->scratch()).value();
  for (size_t first = 0; first < rows_; first += tile_rows) {
    std::vector<float*> base;
    for (size_t i = 0; i < memory_.size(); ++i) {
      Memory& m = memory_[i];
      base.push_back(m.floats.data() + m.first + (plan.values[i].domain == segment_ ? first * m.stride : 0));
    }
    TileContext context;
    context.first_row = first;
    context.rows = std::min(tile_rows, rows_ - first);
    context.worker = 1;
    context.seed = seed;
    context.step = step;
    context.training = training;
    context.batch = &batch;
    context.base = base;
    context.stats = stats;
    context.scratch = scratch.as<float>().data();
    kernel.value()->run(context);
  }
}

std::vector<float> OpHarness::read(int32_t id) const {
  const Memory& m = memory_[static_cast<size_t>(id)];
  std::vector<float> out;
  for (size_t r = 0; r < m.rows; ++r) {
    for (size_t i = 0; i < m.width; ++i) out.push_back(m.floats[m.first + r * m.stride + i]);
  }
  return out;
}

void OpHarness::expect_sentinels() const {
  for (size_t id = 0; id < memory_.size(); ++id) {
    const Memory& m = memory_[id];
    for (size_t i = 0; i < m.floats.size(); ++i) {
      const bool inside = i >= m.first && (i - m.first) / m.stride < m.rows && (i - m.first) % m.stride < m.width;
      if (inside) continue;
      ASSERT_EQ(m.floats[i], kSentinel) << "value " << id << " was written outside, at " << i;
    }
  }
}

namespace {

void check_row_count(const RowCase& c, const RowFunction& function, size_t rows) {
  SCOPED_TRACE("rows " + std::to_string(rows));
  std::vector<std::vector<float>> data;
  for (size_t i = 0; i < c.widths.size(); ++i) {
    const bool none = i < c.none.size() && c.none[i];
    data.push_back(random_floats(c.widths[i] * (none ? 1 : rows), 11 * i + rows, c.low, c.high));
  }
  const auto inputs_of = [&](size_t row) {
    std::vector<std::vector<double>> inputs;
    for (size_t i = 0; i < data.size(); ++i) {
      inputs.push_back(row_of(data[i], c.widths[i], i < c.none.size() && c.none[i] ? 0 : row));
    }
    return inputs;
  };
  std::vector<double> want;
  for (size_t r = 0; r < rows; ++r) {
    const std::vector<double> y = function(inputs_of(r));
    want.insert(want.end(), y.begin(), y.end());
  }

  if (!c.forward.empty()) {
    OpHarness harness(c.forward, rows);
    harness.op.numbers = c.numbers;
    harness.op.strings = c.strings;
    for (size_t i = 0; i < data.size(); ++i) {
      const bool none = i < c.none.size() && c.none[i];
      harness.op.inputs.push_back(harness.value(c.widths[i], data[i], none ? Domain::kNone : Domain::kRow));
    }
    const int32_t y = harness.value(c.output);
    harness.op.outputs = {y};
    harness.run(100);
    expect_near(harness.read(y), want, c.tolerance, c.forward);
    harness.expect_sentinels();
  }
  if (c.backward.empty()) return;

  const std::vector<float> dy = random_floats(rows * c.output, 99 + rows);
  std::vector<float> result(want.begin(), want.end());
  OpHarness harness(c.backward, rows);
  harness.op.numbers = c.numbers;
  harness.op.strings = c.strings;
  harness.op.inputs.push_back(harness.value(c.output, dy));
  for (const int i : c.grad_inputs) {
    harness.op.inputs.push_back(i < 0 ? harness.value(c.output, result)
                                      : harness.value(c.widths[static_cast<size_t>(i)], data[static_cast<size_t>(i)]));
  }
  for (const int i : c.grad_outputs) harness.op.outputs.push_back(harness.value(c.widths[static_cast<size_t>(i)]));
  harness.run(100);
  constexpr double kStep = 1e-5;
  for (size_t o = 0; o < c.grad_outputs.size(); ++o) {
    const size_t i = static_cast<size_t>(c.grad_outputs[o]);
    std::vector<double> gradient;
    for (size_t r = 0; r < rows; ++r) {
      auto inputs = inputs_of(r);
      for (size_t e = 0; e < c.widths[i]; ++e) {
        const double x = inputs[i][e];
        inputs[i][e] = x + kStep;
        const std::vector<double> up = function(inputs);
        inputs[i][e] = x - kStep;
        const std::vector<double> down = function(inputs);
        inputs[i][e] = x;
        double sum = 0;
        for (size_t k = 0; k < c.output; ++k) {
          sum += static_cast<double>(dy[r * c.output + k]) * (up[k] - down[k]) / (2 * kStep);
        }
        gradient.push_back(sum);
      }
    }
    expect_near(harness.read(harness.op.outputs[o]), gradient, 5 * c.tolerance, c.backward);
  }
  harness.expect_sentinels();
}

}  // namespace

void check_rows(const RowCase& c, const RowFunction& function) {
  for_each_target([&] {
    for (const size_t rows : kRowCounts) check_row_count(c, function, rows);
  });
}

}  // namespace prerank::test
