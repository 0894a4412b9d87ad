// bench.*: what the benchmark command measures natively (NativeBench of src/runtime/native.ts).
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/array_batch.h"
#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/cuda_library.h"
#include "addon/loader_binding.h"
#include "addon/plan_reader.h"
#include "addon/promise.h"
#include "addon/store_binding.h"
#include "bench/affinity.h"
#include "bench/kernel_bench.h"
#include "bench/plain_read.h"
#include "bench/roof.h"

namespace prerank::addon {
namespace {

using bench::Sampling;

Sampling read_sampling(Napi::Value value) {
  const Fields fields(value, "BenchSampling");
  return {fields.unsigned_integer("warmUp"), fields.positive("samples"), fields.finite("seconds")};
}

// A plan and a batch for it, kept until the job is done.
struct Problem {
  Problem(Napi::Value plan_value, Napi::Value batch_value)
      : plan(read_plan(plan_value)), batch(batch_value, plan) {}

  Plan plan;
  ArrayBatch batch;
};

// A promise of the samples that `work` takes.
template <class Work>
Napi::Value samples_of(Napi::Env env, const char* name, Work work) {
  const auto seconds = std::make_shared<std::vector<double>>();
  return promise_on_pool(env, name,
                         {[work = std::move(work), seconds]() -> Status {
                            PRERANK_ASSIGN_OR_RETURN(*seconds, work());
                            return {};
                          },
                          [seconds](Napi::Env e) -> Napi::Value { return to_float64_array(e, *seconds); },
                          {}});
}

Napi::Value kernel(const Napi::CallbackInfo& call) {
  const auto problem = std::make_shared<Problem>(call[0], call[1]);
  const bool bfloat16 = call[3].ToBoolean();
  return samples_of(call.Env(), "prerank.bench.kernel", [problem, sampling = read_sampling(call[2]), bfloat16] {
    return bench::time_kernel(problem->plan, problem->batch.batch(), sampling, bfloat16);
  });
}

Napi::Value table_index(const Napi::CallbackInfo& call) {
  const auto problem = std::make_shared<Problem>(call[0], call[1]);
  return samples_of(call.Env(), "prerank.bench.tableIndex", [problem, sampling = read_sampling(call[2])] {
    return bench::time_table_index(problem->plan, problem->batch.batch(), sampling);
  });
}

Napi::Value sparse_update(const Napi::CallbackInfo& call) {
  const auto problem = std::make_shared<Problem>(call[0], call[1]);
  SparseOptimizer optimizer = read_sparse_optimizer(call[2], "optimizer");
  return samples_of(call.Env(), "prerank.bench.sparseUpdate", [problem, optimizer, sampling = read_sampling(call[3])] {
    return bench::time_sparse_update(problem->plan, problem->batch.batch(), optimizer, sampling);
  });
}

Napi::Value dense_update(const Napi::CallbackInfo& call) {
  const size_t count = to_positive(call[0], "count");
  DenseOptimizer optimizer = read_dense_optimizer(call[1], "optimizer");
  return samples_of(call.Env(), "prerank.bench.denseUpdate", [count, optimizer, sampling = read_sampling(call[2])] {
    return bench::time_dense_update(count, optimizer, sampling);
  });
}

Napi::Value roof(const Napi::CallbackInfo& call) {
  const auto measured = std::make_shared<bench::Roof>();
  return promise_on_pool(call.Env(), "prerank.bench.roof",
                         {[measured]() -> Status {
                            PRERANK_ASSIGN_OR_RETURN(*measured, bench::measure_roof());
                            return {};
                          },
                          [measured](Napi::Env env) -> Napi::Value {
                            Napi::Object result = Napi::Object::New(env);
                            result.Set("flops", measured->flops);
                            Napi::Object products = Napi::Object::New(env);
                            products.Set("float32", measured->float32_products);
                            products.Set("bfloat16", measured->bfloat16_products);
                            result.Set("products", products);
                            Napi::Array bandwidth = Napi::Array::New(env, measured->bandwidth.size());
                            for (uint32_t i = 0; i < measured->bandwidth.size(); ++i) {
                              Napi::Object entry = Napi::Object::New(env);
                              entry.Set("bytes", static_cast<double>(measured->bandwidth[i].bytes));
                              entry.Set("read", measured->bandwidth[i].read);
                              entry.Set("copy", measured->bandwidth[i].copy);
                              bandwidth.Set(i, entry);
                            }
                            result.Set("bandwidth", bandwidth);
                            return result;
                          },
                          {}});
}

Napi::Value cuda_roof(const Napi::CallbackInfo& call) {
  const auto device = static_cast<int>(to_unsigned(call[0], "device"));
  const Fields fields(call[1], "CudaRoofSizes");
  const CudaRoofSizes sizes = {fields.positive("copyBytes"), fields.positive("product"), fields.positive("repetitions")};
  const auto measured = std::make_shared<CudaRoof>();
  return promise_on_pool(call.Env(), "prerank.bench.cudaRoof",
                         {[device, sizes, measured]() -> Status {
                            PRERANK_ASSIGN_OR_RETURN(const CudaLibrary* const library, cuda_library());
                            PRERANK_ASSIGN_OR_RETURN(*measured, library->measure_roof(device, sizes));
                            return {};
                          },
                          [measured](Napi::Env env) -> Napi::Value {
                            Napi::Object result = Napi::Object::New(env);
                            result.Set("copy", measured->copy);
                            result.Set("float32", measured->float32);
                            result.Set("tf32", measured->tf32);
                            result.Set("bfloat16", measured->bfloat16);
                            return result;
                          },
                          {}});
}

Napi::Value read(const Napi::CallbackInfo& call) {
  std::vector<std::span<const std::byte>> buffers;
  Job job;
  for_each(to_array(call[0], "buffers"), "buffers", [&](Napi::Value buffer, const std::string& what) {
    buffers.push_back(std::as_bytes(to_span<uint8_t>(buffer, what)));
    job.keep.push_back(Napi::Persistent(buffer.As<Napi::Object>()));
  });
  const auto seconds = std::make_shared<double>();
  job.work = [buffers = std::move(buffers), seconds]() -> Status {
    *seconds = bench::time_read(buffers);
    return {};
  };
  job.result = [seconds](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *seconds); };
  return promise_on_pool(call.Env(), "prerank.bench.read", std::move(job));
}

// Takes batches as fast as the loader gives them.
Napi::Value drain(const Napi::CallbackInfo& call) {
  const std::shared_ptr<Loader> loader = unwrap_loader(call[0]);
  const size_t most = to_positive(call[1], "batches");
  struct Outcome {
    double seconds = 0;
    uint64_t batches = 0, rows = 0;
  };
  const auto outcome = std::make_shared<Outcome>();
  Job job;
  job.work = [loader, most, outcome]() -> Status {
    const auto start = std::chrono::steady_clock::now();
    while (outcome->batches < most) {
      PRERANK_ASSIGN_OR_RETURN(const Batch* batch, loader->next());
      if (batch == nullptr) break;
      outcome->batches += 1;
      outcome->rows += batch->rows;
    }
    outcome->seconds = bench::seconds_since(start);
    return {};
  };
  job.result = [outcome](Napi::Env env) -> Napi::Value {
    Napi::Object result = Napi::Object::New(env);
    result.Set("batches", static_cast<double>(outcome->batches));
    result.Set("rows", static_cast<double>(outcome->rows));
    result.Set("seconds", outcome->seconds);
    return result;
  };
  job.keep.push_back(Napi::Persistent(call[0].As<Napi::Object>()));
  return promise_on_pool(call.Env(), "prerank.bench.drain", std::move(job));
}

Napi::Value allowed_cores(const Napi::CallbackInfo& call) {
  const std::vector<size_t> cores = bench::allowed_cores();
  Napi::Array result = Napi::Array::New(call.Env(), cores.size());
  for (uint32_t i = 0; i < cores.size(); ++i) result.Set(i, static_cast<double>(cores[i]));
  return result;
}

void pin(const Napi::CallbackInfo& call) {
  std::vector<size_t> cores;
  for_each(to_array(call[0], "cores"), "cores",
           [&](Napi::Value core, const std::string& what) { cores.push_back(to_unsigned(core, what)); });
  check(call.Env(), bench::pin_process(cores));
}

}  // namespace

void register_bench(Napi::Env env, Napi::Object exports) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("kernel", Napi::Function::New(env, kernel, "kernel"));
  result.Set("tableIndex", Napi::Function::New(env, table_index, "tableIndex"));
  result.Set("sparseUpdate", Napi::Function::New(env, sparse_update, "sparseUpdate"));
  result.Set("denseUpdate", Napi::Function::New(env, dense_update, "denseUpdate"));
  result.Set("roof", Napi::Function::New(env, roof, "roof"));
  result.Set("cudaRoof", Napi::Function::New(env, cuda_roof, "cudaRoof"));
  result.Set("read", Napi::Function::New(env, read, "read"));
  result.Set("drain", Napi::Function::New(env, drain, "drain"));
  result.Set("allowedCores", Napi::Function::New(env, allowed_cores, "allowedCores"));
  result.Set("pin", Napi::Function::New(env, pin, "pin"));
  exports.Set("bench", result);
}

}  // namespace prerank::addon
