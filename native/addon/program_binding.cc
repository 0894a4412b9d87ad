// The Program class of the addon (NativeProgram of src/runtime/native.ts).
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/array_batch.h"
#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/loader_binding.h"
#include "addon/plan_reader.h"
#include "addon/program_runner.h"
#include "addon/promise.h"
#include "addon/store_binding.h"
#include "addon/tagged.h"

namespace prerank::addon {
namespace {

ProgramOptions read_settings(Napi::Value value) {
  const Fields fields(value, "ProgramSettings");
  ProgramOptions options;
  options.threads = fields.positive("threads");
  options.capacity = fields.positive("capacity");
  if (fields.has("requestCapacity")) options.request_capacity = fields.unsigned_integer("requestCapacity");
  if (fields.has("clipNorm")) options.clip_norm = fields.finite("clipNorm");
  if (fields.has("clipScope")) {
    options.clip_scope = fields.choice<ClipScope>("clipScope", {{"dense", ClipScope::kDense}, {"all", ClipScope::kAll}});
  }
  options.seed = fields.unsigned_integer("seed");
  if (fields.has("profile")) options.profile = fields.boolean("profile");
  return options;
}

RunRequest read_run_request(Napi::Value value) {
  const Fields fields(value, "RunRequest");
  RunRequest request;
  request.first_step = fields.unsigned_integer("firstStep");
  request.dense_lr = to_vector<double>(fields.get("denseLr"), "RunRequest.denseLr");
  request.sparse_lr = to_vector<double>(fields.get("sparseLr"), "RunRequest.sparseLr");
  if (request.dense_lr.size() != request.sparse_lr.size()) {
    throw_invalid(fields.env(), "RunRequest.denseLr has " + std::to_string(request.dense_lr.size()) +
                                    " steps, sparseLr " + std::to_string(request.sparse_lr.size()));
  }
  return request;
}

StepOptions read_step_options(Napi::Value value) {
  const Fields fields(value, "StepOptions");
  return {fields.unsigned_integer("step"), fields.finite("denseLr"), fields.finite("sparseLr"),
          fields.boolean("update")};
}

Napi::Array number_array(Napi::Env env, const std::vector<uint32_t>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, static_cast<double>(values[i]));
  return array;
}

Napi::Value run_result(Napi::Env env, const RunRequest& request, const RunOutcome& outcome) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("steps", static_cast<double>(outcome.steps));
  result.Set("rows", static_cast<double>(outcome.rows));
  result.Set("stats", to_float64_array(env, outcome.stats));
  result.Set("seconds", outcome.seconds);
  result.Set("waitSeconds", outcome.wait_seconds);
  if (outcome.allocations) result.Set("allocations", static_cast<double>(*outcome.allocations));
  result.Set("ended", outcome.ended);
  result.Set("gradientNorm", outcome.gradient_norm);
  if (outcome.host_rows.used > 0) {
    Napi::Object rows = Napi::Object::New(env);
    rows.Set("used", static_cast<double>(outcome.host_rows.used));
    rows.Set("missing", static_cast<double>(outcome.host_rows.missing));
    rows.Set("unplaced", static_cast<double>(outcome.host_rows.unplaced));
    result.Set("hostRows", rows);
  }
  if (outcome.non_finite) {
    Napi::Object refused = Napi::Object::New(env);
    refused.Set("step", static_cast<double>(request.first_step + outcome.steps - 1));
    refused.Set("tasks", number_array(env, outcome.tasks));
    refused.Set("rows", number_array(env, outcome.offending));
    result.Set("nonFinite", refused);
  }
  return result;
}

Napi::Value output_arrays(Napi::Env env, const std::vector<std::vector<float>>& outputs) {
  Napi::Array arrays = Napi::Array::New(env, outputs.size());
  for (uint32_t i = 0; i < outputs.size(); ++i) arrays.Set(i, to_float32_array(env, outputs[i]));
  return arrays;
}

// The loader of an idle Loader object: its reference and ours are the only ones.
std::shared_ptr<Loader> take_loader(Napi::Value value) {
  std::shared_ptr<Loader> loader = unwrap_loader(value);
  if (loader.use_count() > 2) throw_invalid(value.Env(), "a program reads from this loader: await its promise first");
  return loader;
}

class ProgramBinding : public Napi::ObjectWrap<ProgramBinding> {
 public:
  static constexpr napi_type_tag kTag = {0x5d07c1e83f9b4a26u, 0x8c44e6b1d02f7a93u};

  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("Program", DefineClass(env, "Program",
                                       {InstanceAccessor<&ProgramBinding::bytes>("bytes"),
                                        InstanceMethod<&ProgramBinding::run>("run"),
                                        InstanceMethod<&ProgramBinding::cancel>("cancel"),
                                        InstanceMethod<&ProgramBinding::step>("step"),
                                        InstanceMethod<&ProgramBinding::predict>("predict"),
                                        InstanceMethod<&ProgramBinding::predict_all>("predictAll"),
                                        InstanceMethod<&ProgramBinding::read_output>("readOutput"),
                                        InstanceMethod<&ProgramBinding::balance>("balance"),
                                        InstanceMethod<&ProgramBinding::tuning>("tuning"),
                                        InstanceMethod<&ProgramBinding::use_tuning>("useTuning"),
                                        InstanceMethod<&ProgramBinding::times>("times"),
                                        InstanceMethod<&ProgramBinding::operation_times>("operationTimes")}));
  }

  explicit ProgramBinding(const Napi::CallbackInfo& call)
      : Napi::ObjectWrap<ProgramBinding>(call),
        runner_(unwrap(call.Env(), ProgramRunner::create(read_plan(call[0]), unwrap_store(call[1]),
                                                         read_settings(call[2])))),
        queue_(call.Env(), "prerank.Program", [runner = runner_] { runner->cancel_for_ever(); }) {
    Napi::MemoryManagement::AdjustExternalMemory(call.Env(), static_cast<int64_t>(runner_->program().bytes()));
    call.This().As<Napi::Object>().TypeTag(&kTag);
  }

  void Finalize(Napi::BasicEnv env) override {
    Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(runner_->program().bytes()));
  }

 private:
  Napi::Value bytes(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(runner_->program().bytes()));
  }

  Napi::Value run(const Napi::CallbackInfo& call) {
    const std::shared_ptr<Loader> loader = take_loader(call[0]);
    auto request = std::make_shared<RunRequest>(read_run_request(call[1]));
    request->id = runner_->next_id();
    if (const Napi::Value other = call[1].As<Napi::Object>().Get("diagnosis"); other.IsObject()) {
      ProgramBinding* const diagnosis = unwrap_tagged<ProgramBinding>(other, "a Program as diagnosis");
      diagnosis->require_idle(call.Env(), "run");
      if (diagnosis == this) throw_invalid(call.Env(), "a program cannot be its own diagnosis");
      request->diagnosis = diagnosis->runner_;
    }
    auto outcome = std::make_shared<RunOutcome>();
    return submit({[runner = runner_, loader, request, outcome] { return runner->run(*loader, *request, *outcome); },
                   [request, outcome](Napi::Env env) { return run_result(env, *request, *outcome); },
                   {}},
                  call, call[0]);
  }

  void cancel(const Napi::CallbackInfo& /*call*/) { runner_->cancel(); }

  Napi::Value step(const Napi::CallbackInfo& call) {
    auto batch = std::make_shared<ArrayBatch>(call[0], runner_->program().plan());
    const StepOptions options = read_step_options(call[1]);
    auto stats = std::make_shared<std::vector<double>>();
    return submit({[runner = runner_, batch, options, stats] { return runner->step(batch->batch(), options, *stats); },
                   [stats](Napi::Env env) -> Napi::Value { return to_float64_array(env, *stats); },
                   {}},
                  call);
  }

  Napi::Value predict(const Napi::CallbackInfo& call) {
    auto batch = std::make_shared<ArrayBatch>(call[0], runner_->program().plan());
    auto outputs = std::make_shared<std::vector<std::vector<float>>>();
    return submit({[runner = runner_, batch, outputs] { return runner->predict(batch->batch(), *outputs); },
                   [outputs](Napi::Env env) { return output_arrays(env, *outputs); },
                   {}},
                  call);
  }

  Napi::Value predict_all(const Napi::CallbackInfo& call) {
    const std::shared_ptr<Loader> loader = take_loader(call[0]);
    const Plan& plan = runner_->program().plan();
    for (const PlanOutput& output : plan.outputs) {
      if (plan.values[static_cast<size_t>(output.value)].domain == Domain::kRow) continue;
      throw_invalid(call.Env(), "output " + output.name + " has no row per candidate: predictAll needs row outputs");
    }
    auto outputs = std::make_shared<std::vector<std::vector<float>>>();
    const uint64_t id = runner_->next_id();
    return submit({[runner = runner_, loader, id, outputs] { return runner->predict_all(*loader, id, *outputs); },
                   [outputs](Napi::Env env) { return output_arrays(env, *outputs); },
                   {}},
                  call, call[0]);
  }

  Napi::Value read_output(const Napi::CallbackInfo& call) {
    require_idle(call.Env(), "readOutput");
    const uint64_t index = to_unsigned(call[0], "index");
    const size_t count = runner_->program().plan().outputs.size();
    if (index >= count) {
      check(call.Env(), Status(Code::kOutOfRange, "the plan has " + std::to_string(count) +
                                                      " outputs, asked for number " + std::to_string(index)));
    }
    std::vector<float> values(runner_->output_size(index));
    check(call.Env(), runner_->program().read_output(index, values));
    return to_float32_array(call.Env(), values);
  }

  Napi::Value balance(const Napi::CallbackInfo& call) {
    require_idle(call.Env(), "balance");
    const BalanceReport* const report = runner_->program().balance();
    if (report == nullptr) return call.Env().Null();
    Napi::Object result = Napi::Object::New(call.Env());
    result.Set("gram", to_float64_array(call.Env(), report->gram));
    result.Set("weights", to_float64_array(call.Env(), report->weights));
    return result;
  }

  Napi::Value tuning(const Napi::CallbackInfo& call) {
    require_idle(call.Env(), "tuning");
    const ProductTuning tuning = runner_->program().tuning();
    Napi::Array products = Napi::Array::New(call.Env(), tuning.products.size());
    for (uint32_t i = 0; i < tuning.products.size(); ++i) {
      Napi::Object choice = Napi::Object::New(call.Env());
      choice.Set("product", tuning.products[i].product);
      choice.Set("algorithm", tuning.products[i].algorithm);
      products.Set(i, choice);
    }
    Napi::Object result = Napi::Object::New(call.Env());
    result.Set("fits", tuning.fits);
    result.Set("products", products);
    return result;
  }

  Napi::Value use_tuning(const Napi::CallbackInfo& call) {
    require_idle(call.Env(), "useTuning");
    const Fields fields(call[0], "ProductTuning");
    ProductTuning tuning{.fits = fields.string("fits"), .products = {}};
    for_each(fields.array("products"), fields.path("products"), [&](Napi::Value value, const std::string& what) {
      const Fields choice(value, what);
      tuning.products.push_back({choice.string("product"), choice.string("algorithm")});
    });
    return Napi::Boolean::New(call.Env(), unwrap(call.Env(), runner_->use_tuning(tuning)));
  }

  Napi::Value times(const Napi::CallbackInfo& call) {
    require_idle(call.Env(), "times");
    const PhaseTimes times = runner_->program().times();
    Napi::Object result = Napi::Object::New(call.Env());
    result.Set("prologue", times.prologue);
    result.Set("tiles", times.tiles);
    result.Set("reduce", times.reduce);
    result.Set("transform", times.transform);
    result.Set("update", times.update);
    return result;
  }

  Napi::Value operation_times(const Napi::CallbackInfo& call) {
    require_idle(call.Env(), "operationTimes");
    const std::vector<OperationTime> operations = runner_->program().operation_times();
    Napi::Array result = Napi::Array::New(call.Env(), operations.size());
    for (uint32_t i = 0; i < operations.size(); ++i) {
      Napi::Object entry = Napi::Object::New(call.Env());
      entry.Set("kind", operations[i].kind);
      entry.Set("layer", operations[i].layer);
      entry.Set("backward", operations[i].backward);
      entry.Set("seconds", operations[i].seconds);
      entry.Set("calls", static_cast<double>(operations[i].calls));
      result.Set(i, entry);
    }
    return result;
  }

  // The program's thread owns its buffers while a job is pending.
  void require_idle(Napi::Env env, const char* method) const {
    if (queue_.pending() == 0) return;
    throw_invalid(env, std::string(method) + "() while the program works: await its promise first");
  }

  // Keeps this object, and `other`, alive until the promise is settled.
  Napi::Promise submit(Job job, const Napi::CallbackInfo& call, Napi::Value other = Napi::Value()) {
    job.keep.push_back(Napi::Persistent(call.This().As<Napi::Object>()));
    if (!other.IsEmpty()) job.keep.push_back(Napi::Persistent(other.As<Napi::Object>()));
    return queue_.submit(std::move(job));
  }

  std::shared_ptr<ProgramRunner> runner_;
  JobQueue queue_;
};

}  // namespace

void register_program(Napi::Env env, Napi::Object exports) { ProgramBinding::define(env, exports); }

}  // namespace prerank::addon
