// metrics.*: metrics over the mapped columns of a dataset, off the event loop.
#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/dataset_binding.h"
#include "addon/promise.h"
#include "base/cpu_info.h"
#include "metrics/replay.h"
#include "metrics/task_metrics.h"

namespace prerank::addon {
namespace {

// Elements of a typed array; in `keep` the array itself until the promise is settled.
std::span<const float> floats(Napi::Value value, const std::string& what, Job& job) {
  const auto data = to_span<float>(value, what);
  job.keep.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return data;
}

std::shared_ptr<Dataset> dataset_argument(const Napi::CallbackInfo& call, Job& job) {
  std::shared_ptr<Dataset> dataset = unwrap_dataset(call[0]);
  job.keep.push_back(Napi::Persistent(call[0].As<Napi::Object>()));
  return dataset;
}

std::string string_or_empty(const Fields& fields, const char* key) {
  return fields.has(key) ? fields.string(key) : std::string();
}

size_t threads_of(const Fields& fields) { return fields.has("threads") ? fields.positive("threads") : usable_cores(); }

Prediction read_prediction(const Fields& fields, Job& job) {
  Prediction prediction;
  prediction.outputs = floats(fields.get("outputs"), fields.path("outputs"), job);
  prediction.link = fields.choice<Link>("link", {{"identity", Link::kIdentity}, {"sigmoid", Link::kSigmoid}});
  if (fields.has("scale")) prediction.scale = fields.finite("scale");
  if (fields.has("shift")) prediction.shift = fields.finite("shift");
  return prediction;
}

QualityFunction read_quality_function(const Fields& fields) {
  using Kind = QualityFunction::Kind;
  QualityFunction function;
  function.kind = fields.choice<Kind>("kind", {{"identity", Kind::kIdentity},
                                               {"affine", Kind::kAffine},
                                               {"clamp", Kind::kClamp},
                                               {"piecewiseLinear", Kind::kPiecewiseLinear}});
  if (function.kind == Kind::kAffine) {
    function.scale = fields.finite("scale");
    function.shift = fields.finite("shift");
  } else if (function.kind == Kind::kClamp) {
    function.min = fields.number("min");
    function.max = fields.number("max");
  } else if (function.kind == Kind::kPiecewiseLinear) {
    for_each(fields.array("knots"), fields.path("knots"), [&](Napi::Value knot, const std::string& what) {
      const Napi::Array pair = to_array(knot, what);
      function.knots.emplace_back(to_finite(pair.Get(0u), what + "[0]"), to_finite(pair.Get(1u), what + "[1]"));
    });
    if (function.knots.empty()) throw_invalid(fields.env(), fields.path("knots") + " is empty");
  }
  return function;
}

TotalValueSource read_total_value(const Fields& fields, Job& job) {
  TotalValueSource source;
  source.ctr = read_prediction(fields.object("ctr"), job);
  if (fields.has("quality")) source.quality = read_prediction(fields.object("quality"), job);
  source.bid = string_or_empty(fields, "bid");
  source.objective = string_or_empty(fields, "objective");
  source.click_rate = string_or_empty(fields, "clickRate");
  source.view_rate = string_or_empty(fields, "viewRate");
  source.additive = fields.choice<bool>("form", {{"additive", true}, {"multiplicative", false}});
  source.quality_function = read_quality_function(fields.object("f"));
  return source;
}

EarlyScore read_early(const Fields& fields, Job& job) {
  const Napi::Value early = fields.get("early");
  if (early.IsString()) return to_string(early, fields.path("early"));
  if (early.IsTypedArray()) return floats(early, fields.path("early"), job);
  return read_total_value(fields.object("early"), job);
}

const char* input_name(ReplayFault::Input input) {
  switch (input) {
    case ReplayFault::Input::kEarly:
      return "early";
    case ReplayFault::Input::kFinal:
      return "final";
    case ReplayFault::Input::kBid:
      return "bid";
    case ReplayFault::Input::kClickRate:
      return "clickRate";
    case ReplayFault::Input::kViewRate:
      return "viewRate";
  }
  return "early";
}

Napi::Value replay_object(Napi::Env env, const ReplayResult& replayed) {
  constexpr size_t kColumns = 9;
  Napi::Uint32Array requests = Napi::Uint32Array::New(env, replayed.requests.size());
  std::copy(replayed.requests.begin(), replayed.requests.end(), requests.Data());
  Napi::Float64Array rows = Napi::Float64Array::New(env, replayed.per_request.size() * kColumns);
  double* out = rows.Data();
  for (const RequestReplay& r : replayed.per_request) {
    for (const double value : {r.rows, r.k, r.hits, r.soft_numerator, r.soft_denominator, r.dcg, r.idcg, r.difference,
                               r.size}) {
      *out++ = value;
    }
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("requests", requests);
  result.Set("perRequest", rows);
  if (replayed.fault) {
    Napi::Object fault = Napi::Object::New(env);
    fault.Set("row", static_cast<double>(replayed.fault->row));
    fault.Set("input", input_name(replayed.fault->input));
    result.Set("fault", fault);
  }
  return result;
}

Napi::Value run_replay(const Napi::CallbackInfo& call) {
  Job job;
  const auto dataset = dataset_argument(call, job);
  const Fields fields(call[1], "ReplaySpec");
  const auto options = std::make_shared<ReplayOptions>();
  options->request = fields.string("request");
  options->final_score = fields.string("final");
  options->early = read_early(fields, job);
  options->k = fields.positive("k");
  options->early_k = fields.positive("earlyK");
  options->gains = fields.boolean("gains");
  options->threads = threads_of(fields);
  const auto value = std::make_shared<ReplayResult>();
  job.work = [=]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*value, replay(*dataset, *options));
    return {};
  };
  job.result = [value](Napi::Env env) { return replay_object(env, *value); };
  return promise_on_pool(call.Env(), "prerank.metrics.replay", std::move(job));
}

const char* input_name(TaskFault::Input input) {
  switch (input) {
    case TaskFault::Input::kLabel:
      return "label";
    case TaskFault::Input::kPrediction:
      return "prediction";
    case TaskFault::Input::kWeight:
      return "weight";
  }
  return "label";
}

Napi::Value task_object(Napi::Env env, const TaskMetrics& metrics) {
  Napi::Object result = Napi::Object::New(env);
  const std::pair<const char*, double> numbers[] = {{"count", static_cast<double>(metrics.rows)},
                                                    {"weight", metrics.weight},
                                                    {"loss", metrics.loss},
                                                    {"prediction", metrics.prediction},
                                                    {"target", metrics.target},
                                                    {"targetSq", metrics.target_sq},
                                                    {"spread", metrics.spread},
                                                    {"auc", metrics.auc},
                                                    {"aucError", metrics.auc_error},
                                                    {"ece", metrics.ece},
                                                    {"groupSum", metrics.group_sum},
                                                    {"groupWeight", metrics.group_weight},
                                                    {"groups", static_cast<double>(metrics.groups)}};
  for (const auto& [name, number] : numbers) result.Set(name, number);
  if (metrics.fault) {
    Napi::Object fault = Napi::Object::New(env);
    fault.Set("row", static_cast<double>(metrics.fault->row));
    fault.Set("input", input_name(metrics.fault->input));
    fault.Set("value", metrics.fault->value);
    result.Set("fault", fault);
  }
  return result;
}

Napi::Value run_task(const Napi::CallbackInfo& call) {
  Job job;
  const auto dataset = dataset_argument(call, job);
  const Fields fields(call[1], "TaskMetricsSpec");
  const auto options = std::make_shared<TaskMetricsOptions>();
  options->rows = {fields.string("label"), string_or_empty(fields, "traffic"), string_or_empty(fields, "shown"),
                   !fields.has("shownIs") || fields.boolean("shownIs"), string_or_empty(fields, "weight")};
  options->prediction = read_prediction(fields.object("prediction"), job);
  options->probability = fields.boolean("probability");
  options->auc = fields.has("auc") && fields.boolean("auc");
  options->ece = fields.has("ece") && fields.boolean("ece");
  if (fields.has("eceBins")) options->ece_bins = fields.positive("eceBins");
  options->group = string_or_empty(fields, "group");
  if (fields.has("groupWeight")) {
    options->group_weight = fields.choice<GroupWeight>(
        "groupWeight", {{"rows", GroupWeight::kRows}, {"clicks", GroupWeight::kClicks}, {"one", GroupWeight::kOne}});
  }
  if (fields.has("exactRows")) options->exact_rows = fields.unsigned_integer("exactRows");
  options->threads = threads_of(fields);
  const auto value = std::make_shared<TaskMetrics>();
  job.work = [=]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*value, task_metrics(*dataset, *options));
    return {};
  };
  job.result = [value](Napi::Env env) -> Napi::Value { return task_object(env, *value); };
  return promise_on_pool(call.Env(), "prerank.metrics.task", std::move(job));
}

}  // namespace

void register_metrics(Napi::Env env, Napi::Object exports) {
  Napi::Object metrics = Napi::Object::New(env);
  metrics.Set("replay", Napi::Function::New<run_replay>(env, "replay"));
  metrics.Set("task", Napi::Function::New<run_task>(env, "task"));
  exports.Set("metrics", metrics);
}

}  // namespace prerank::addon
