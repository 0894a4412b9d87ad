// stageArrow: Arrow IPC files and streams as one Parquet file (StageSpec of src/runtime/native.ts).
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/cancellation.h"
#include "addon/convert.h"
#include "addon/promise.h"
#include "arrow/stage.h"

namespace prerank::addon {
namespace {

std::vector<std::string> strings(const Fields& fields, const char* key) {
  std::vector<std::string> values;
  for_each(fields.array(key), fields.path(key),
           [&](Napi::Value value, const std::string& what) { values.push_back(to_string(value, what)); });
  return values;
}

arrow::StageSpec read_spec(Napi::Value value) {
  const Fields fields(value, "StageSpec");
  arrow::StageSpec spec;
  spec.library = fields.string("library");
  spec.setup = strings(fields, "setup");
  spec.paths = strings(fields, "paths");
  spec.output = fields.string("output");
  spec.file_column = fields.string("fileColumn");
  spec.row_column = fields.string("rowColumn");
  spec.memory_bytes = fields.positive("memoryBytes");
  return spec;
}

Napi::Value stage(const Napi::CallbackInfo& call) {
  auto spec = std::make_shared<const arrow::StageSpec>(read_spec(call[0]));
  auto rows = std::make_shared<uint64_t>();
  const StopFlag stopped = stop_flag_of(call[1]);
  Job job;
  job.work = [spec, rows, stopped]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*rows, arrow::stage_arrow(*spec, [&stopped] { return stopped->load(); }));
    return {};
  };
  job.result = [rows](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(*rows)); };
  return promise_on_thread(
      call.Env(), "prerank.stageArrow", [stopped] { *stopped = true; }, std::move(job));
}

}  // namespace

void register_stage(Napi::Env env, Napi::Object exports) {
  exports.Set("stageArrow", Napi::Function::New<stage>(env, "stageArrow"));
}

}  // namespace prerank::addon
