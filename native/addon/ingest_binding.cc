// The Ingest class of the addon and profileLog (NativeIngest, LogProfile of src/runtime/native.ts).
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/cancellation.h"
#include "addon/convert.h"
#include "addon/errors.h"
#include "addon/ingest_reader.h"
#include "addon/promise.h"

namespace prerank::addon {
namespace {

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// An array with each(value) for every value.
template <class T, class Each>
Napi::Array array_of(Napi::Env env, const std::vector<T>& values, Each each) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const Napi::HandleScope scope(env);
    array.Set(static_cast<uint32_t>(i), each(values[i]));
  }
  return array;
}

std::string hexadecimal(uint64_t value) {
  std::array<char, 17> digits;
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(value));
  return digits.data();
}

Napi::Value batch_object(Napi::Env env, const EncodedBatch& batch) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("offset", number(env, batch.offset));
  object.Set("bytes", number(env, batch.bytes));
  object.Set("rows", number(env, batch.rows));
  object.Set("checksum", hexadecimal(batch.checksum));
  return object;
}

Napi::Value file_object(Napi::Env env, const EncodedFile& file) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", file.name);
  object.Set("rows", number(env, file.rows));
  object.Set("bytes", number(env, file.bytes));
  object.Set("batches",
             array_of(env, file.batches, [env](const EncodedBatch& batch) { return batch_object(env, batch); }));
  return object;
}

Napi::Value reject_object(Napi::Env env, const RejectedRow& row) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("file", row.file);
  object.Set("row", number(env, row.row));
  object.Set("column", row.column);
  object.Set("value", row.value);
  object.Set("reason", row.reason);
  return object;
}

// As JSON.stringify writes it.
void append_json(const std::string& text, std::string& json) {
  static constexpr std::array<char, 6> kShort = {'b', 't', 'n', 0, 'f', 'r'};  // the characters 8 … 13
  json += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 8 && code < 8 + kShort.size() && kShort[code - 8u] != 0) {
      json += '\\';
      json += kShort[code - 8u];
    } else if (code < 0x20) {
      std::array<char, 7> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(code));
      json += escape.data();
    } else {
      if (c == '"' || c == '\\') json += '\\';
      json += c;
    }
  }
  json += '"';
}

std::string json_of(const std::vector<std::string>& values) {
  std::string json = "[";
  for (const std::string& value : values) {
    if (json.size() > 1) json += ',';
    append_json(value, json);
  }
  json += ']';
  return json;
}

Napi::Value table_object(Napi::Env env, const LearntTable& table) {
  Napi::Object object = Napi::Object::New(env);
  // As text: making millions of strings takes long, and not everybody looks at them.
  object.Set("values", number(env, table.values.size()));
  object.Set("valuesJson", json_of(table.values));
  object.Set("added", number(env, table.added));
  object.Set("refused", number(env, table.refused));
  return object;
}

Napi::Value feature_object(Napi::Env env, const FeatureSummary& feature) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("output", feature.output);
  object.Set("rows", number(env, feature.rows));
  object.Set("nulls", number(env, feature.nulls));
  object.Set("minimum", feature.minimum);
  object.Set("maximum", feature.maximum);
  object.Set("mean", feature.mean);
  object.Set("deviation", feature.deviation);
  object.Set("skewness", feature.skewness);
  object.Set("ids", number(env, feature.ids));
  object.Set("empty", number(env, feature.empty));
  object.Set("longest", number(env, feature.longest));
  object.Set("distinct", number(env, feature.distinct));
  object.Set("outOfVocabulary", number(env, feature.out_of_vocabulary));
  object.Set("topShare", feature.top_share);
  object.Set("constantInRequest", feature.constant_in_request);
  return object;
}

Napi::Value result_object(Napi::Env env, const IngestResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("rows", number(env, result.rows));
  object.Set("requests", number(env, result.requests));
  object.Set("rejected", number(env, result.rejected));
  object.Set("dropped", number(env, result.dropped));
  object.Set("sampledOut", number(env, result.sampled_out));
  object.Set("duplicates", number(env, result.duplicates));
  object.Set("tooManyBad", result.too_many_bad);
  object.Set("rejects",
             array_of(env, result.rejects, [env](const RejectedRow& row) { return reject_object(env, row); }));
  object.Set("files", array_of(env, result.files, [env](const EncodedFile& file) { return file_object(env, file); }));
  object.Set("tables",
             array_of(env, result.tables, [env](const LearntTable& table) { return table_object(env, table); }));
  object.Set("features", array_of(env, result.features, [env](const FeatureSummary& feature) {
               return feature_object(env, feature);
             }));
  return object;
}

Napi::Value profile_object(Napi::Env env, const LogProfile& profile) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("parts", array_of(env, profile.parts, [env](const PartProfile& part) {
               Napi::Object entry = Napi::Object::New(env);
               entry.Set("rows", number(env, part.rows));
               entry.Set("headRows", number(env, part.head_rows));
               return entry;
             }));
  object.Set("rows", number(env, profile.rows));
  object.Set("requests", number(env, profile.requests));
  object.Set("requestsTogether", profile.requests_together);
  object.Set("chronological", profile.chronological);
  object.Set("moments", array_of(env, profile.moments, [env](const Moments& moments) {
               Napi::Object entry = Napi::Object::New(env);
               entry.Set("mean", moments.mean);
               entry.Set("deviation", moments.deviation);
               entry.Set("count", number(env, moments.count));
               return entry;
             }));
  return object;
}

class IngestBinding : public Napi::ObjectWrap<IngestBinding> {
 public:
  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("Ingest", DefineClass(env, "Ingest",
                                      {InstanceMethod<&IngestBinding::run>("run"),
                                       InstanceMethod<&IngestBinding::cancel>("cancel"),
                                       InstanceMethod<&IngestBinding::progress>("progress")}));
  }

  explicit IngestBinding(const Napi::CallbackInfo& call)
      : Napi::ObjectWrap<IngestBinding>(call),
        ingest_(unwrap(call.Env(), Ingest::create(read_ingest_spec(call[0])))),
        queue_(call.Env(), "prerank.Ingest", [ingest = ingest_] { ingest->cancel(); }) {}

 private:
  Napi::Value run(const Napi::CallbackInfo& call) {
    auto result = std::make_shared<IngestResult>();
    Job job;
    job.work = [ingest = ingest_, result]() -> Status {
      PRERANK_ASSIGN_OR_RETURN(*result, ingest->run());
      return {};
    };
    job.result = [result](Napi::Env env) { return result_object(env, *result); };
    job.keep.push_back(Napi::Persistent(call.This().As<Napi::Object>()));
    return queue_.submit(std::move(job));
  }

  void cancel(const Napi::CallbackInfo& /*call*/) { ingest_->cancel(); }

  Napi::Value progress(const Napi::CallbackInfo& call) {
    const IngestProgress progress = ingest_->progress();
    Napi::Object object = Napi::Object::New(call.Env());
    object.Set("rowsRead", number(call.Env(), progress.rows_read));
    object.Set("rowsWritten", number(call.Env(), progress.rows_written));
    object.Set("partsDone", number(call.Env(), progress.parts_done));
    return object;
  }

  std::shared_ptr<Ingest> ingest_;
  JobQueue queue_;
};

Napi::Value run_profile_log(const Napi::CallbackInfo& call) {
  auto spec = std::make_shared<const ProfileSpec>(read_profile_spec(call[0]));
  auto profile = std::make_shared<LogProfile>();
  const StopFlag stopped = stop_flag_of(call[1]);
  Job job;
  job.work = [spec, profile, stopped]() -> Status {
    PRERANK_ASSIGN_OR_RETURN(*profile, profile_log(*spec, [&stopped] { return stopped->load(); }));
    return {};
  };
  job.result = [profile](Napi::Env env) { return profile_object(env, *profile); };
  return promise_on_thread(
      call.Env(), "prerank.profileLog", [stopped] { *stopped = true; }, std::move(job));
}

}  // namespace

void register_ingest(Napi::Env env, Napi::Object exports) {
  IngestBinding::define(env, exports);
  exports.Set("profileLog", Napi::Function::New<run_profile_log>(env, "profileLog"));
}

}  // namespace prerank::addon
