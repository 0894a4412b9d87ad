// metrics.*: ranking metrics off the event loop.
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/promise.h"
#include "metrics/ranking.h"

namespace prerank::addon {
namespace {

// A typed array argument: its elements, and in `keep` the array itself until the promise is settled.
template <class T>
std::span<const T> argument(const Napi::CallbackInfo& call, size_t index, const char* name, Job& job) {
  const auto data = to_span<T>(call[index], name);
  job.keep.push_back(Napi::Persistent(call[index].As<Napi::Object>()));
  return data;
}

std::span<const double> weights_argument(const Napi::CallbackInfo& call, size_t index, Job& job) {
  if (call[index].IsNull() || call[index].IsUndefined()) return {};
  return argument<double>(call, index, "weights", job);
}

void require_length(Napi::Env env, size_t length, size_t expected, const char* name) {
  if (length == expected) return;
  throw_invalid(env, std::string(name) + " has " + std::to_string(length) + " elements, the scores have " +
                         std::to_string(expected));
}

struct Labelled {
  std::span<const double> scores, labels, weights;
};

Labelled labelled_arguments(const Napi::CallbackInfo& call, Job& job) {
  Labelled in{argument<double>(call, 0, "scores", job), argument<double>(call, 1, "labels", job),
              weights_argument(call, 2, job)};
  require_length(call.Env(), in.labels.size(), in.scores.size(), "labels");
  // An empty weights array of an empty input is no different from none.
  if (!call[2].IsNull() && !call[2].IsUndefined())
    require_length(call.Env(), in.weights.size(), in.scores.size(), "weights");
  return in;
}

Napi::Value run_auc(const Napi::CallbackInfo& call) {
  Job job;
  const Labelled in = labelled_arguments(call, job);
  const auto value = std::make_shared<double>();
  job.work = [in, value]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*value, auc(in.scores, in.labels, in.weights));
    return {};
  };
  job.result = [value](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *value); };
  return promise_on_pool(call.Env(), "prerank.metrics.auc", std::move(job));
}

GroupWeight read_group_weight(Napi::Value value) {
  if (value.IsUndefined()) return GroupWeight::kRows;
  const std::string word = to_string(value, "groupWeight");
  if (word == "rows") return GroupWeight::kRows;
  if (word == "clicks") return GroupWeight::kClicks;
  if (word == "one") return GroupWeight::kOne;
  throw_invalid(value.Env(), "groupWeight must be one of 'rows', 'clicks', 'one', got '" + word + "'");
}

Napi::Value run_gauc(const Napi::CallbackInfo& call) {
  Job job;
  const Labelled in = labelled_arguments(call, job);
  const auto groups = argument<uint32_t>(call, 3, "groups", job);
  require_length(call.Env(), groups.size(), in.scores.size(), "groups");
  const GroupWeight group_weight = read_group_weight(call[4]);
  const auto value = std::make_shared<GroupedAuc>();
  job.work = [in, groups, group_weight, value]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*value, grouped_auc(in.scores, in.labels, in.weights, groups, group_weight));
    return {};
  };
  job.result = [value](Napi::Env env) -> Napi::Value {
    Napi::Object result = Napi::Object::New(env);
    result.Set("weightedSum", value->weighted_sum);
    result.Set("weight", value->weight);
    result.Set("groups", static_cast<double>(value->groups));
    return result;
  };
  return promise_on_pool(call.Env(), "prerank.metrics.gauc", std::move(job));
}

Napi::Value recall_object(Napi::Env env, const RecallResult& recalled) {
  constexpr size_t kColumns = 7;
  Napi::Uint32Array requests = Napi::Uint32Array::New(env, recalled.requests.size());
  std::copy(recalled.requests.begin(), recalled.requests.end(), requests.Data());
  Napi::Float64Array rows = Napi::Float64Array::New(env, recalled.per_request.size() * kColumns);
  double* out = rows.Data();
  for (const RequestRecall& r : recalled.per_request) {
    for (const double value : {r.rows, r.k, r.hits, r.soft_numerator, r.soft_denominator, r.dcg, r.idcg})
      *out++ = value;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("requests", requests);
  result.Set("perRequest", rows);
  return result;
}

Napi::Value run_recall(const Napi::CallbackInfo& call) {
  Job job;
  const auto early = argument<double>(call, 0, "early", job);
  const auto final_scores = argument<double>(call, 1, "final", job);
  const auto groups = argument<uint32_t>(call, 2, "groups", job);
  require_length(call.Env(), final_scores.size(), early.size(), "final");
  require_length(call.Env(), groups.size(), early.size(), "groups");
  const size_t k = to_positive(call[3], "k"), early_k = to_positive(call[4], "earlyK");
  const auto value = std::make_shared<RecallResult>();
  job.work = [=]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*value, recall(early, final_scores, groups, k, early_k));
    return {};
  };
  job.result = [value](Napi::Env env) { return recall_object(env, *value); };
  return promise_on_pool(call.Env(), "prerank.metrics.recall", std::move(job));
}

}  // namespace

void register_metrics(Napi::Env env, Napi::Object exports) {
  Napi::Object metrics = Napi::Object::New(env);
  metrics.Set("auc", Napi::Function::New<run_auc>(env, "auc"));
  metrics.Set("gauc", Napi::Function::New<run_gauc>(env, "gauc"));
  metrics.Set("recall", Napi::Function::New<run_recall>(env, "recall"));
  exports.Set("metrics", metrics);
}

}  // namespace prerank::addon
