#include "addon/loader_binding.h"

#include <string>
#include <utility>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/dataset_binding.h"
#include "addon/tagged.h"

namespace prerank::addon {
namespace {

Domain read_domain(const Fields& fields) {
  return fields.choice<Domain>("domain", {{"row", Domain::kRow}, {"request", Domain::kRequest}});
}

std::string string_or_empty(const Fields& fields, const char* key) {
  return fields.has(key) ? fields.string(key) : std::string();
}

DenseSource read_dense(const Fields& fields) {
  DenseSource source;
  source.domain = read_domain(fields);
  for_each(fields.array("columns"), fields.path("columns"),
           [&](Napi::Value column, const std::string& what) { source.columns.push_back(to_string(column, what)); });
  return source;
}

IdSource read_ids(const Fields& fields) {
  IdSource source;
  source.domain = read_domain(fields);
  source.column = fields.string("column");
  source.weights = string_or_empty(fields, "weights");
  source.multi = fields.boolean("multi");
  source.pooling = fields.choice<Pooling>("pooling", {{"sum", Pooling::kSum}, {"mean", Pooling::kMean}});
  source.table = fields.index("table");
  source.table_rows = fields.integer("tableRows");
  return source;
}

TaskSource read_task(const Fields& fields) {
  TaskSource source;
  source.target = fields.string("target");
  source.pseudo = string_or_empty(fields, "pseudo");
  source.shown = string_or_empty(fields, "shown");
  if (fields.has("unseen")) {
    source.unseen = fields.choice<Unseen>(
        "unseen", {{"label", Unseen::kLabel}, {"negative", Unseen::kNegative}, {"none", Unseen::kNone}});
  }
  source.traffic = string_or_empty(fields, "traffic");
  if (fields.has("shift")) source.shift = fields.finite("shift");
  if (fields.has("scale")) source.scale = fields.finite("scale");
  if (fields.has("probability")) source.probability = fields.boolean("probability");
  return source;
}

LoaderOptions read_options(Napi::Value value) {
  const Fields fields(value, "LoaderSpec");
  LoaderOptions options;
  options.batch_size = fields.positive("batchSize");
  options.shuffle = fields.choice<Shuffle>(
      "shuffle", {{"none", Shuffle::kNone}, {"window", Shuffle::kWindow}, {"full", Shuffle::kFull}});
  if (fields.has("windowRows")) options.window_rows = fields.positive("windowRows");
  options.seed = fields.unsigned_integer("seed");
  options.epochs = fields.unsigned_integer("epochs");
  options.threads = fields.positive("threads");
  if (fields.has("prefetch")) options.prefetch = fields.positive("prefetch");
  options.training = fields.boolean("training");
  if (fields.has("tableIndex")) options.table_index = fields.boolean("tableIndex");
  options.request = string_or_empty(fields, "request");
  options.weight = string_or_empty(fields, "weight");
  for_each(fields.array("dense"), fields.path("dense"),
           [&](Napi::Value v, const std::string& what) { options.dense.push_back(read_dense(Fields(v, what))); });
  for_each(fields.array("ids"), fields.path("ids"),
           [&](Napi::Value v, const std::string& what) { options.ids.push_back(read_ids(Fields(v, what))); });
  for_each(fields.array("tasks"), fields.path("tasks"),
           [&](Napi::Value v, const std::string& what) { options.tasks.push_back(read_task(Fields(v, what))); });
  return options;
}

class LoaderBinding : public Napi::ObjectWrap<LoaderBinding> {
 public:
  static constexpr napi_type_tag kTag = {0x81c6d2f07b3e4a5du, 0xb57e3d9946f04c12u};

  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set(
        "Loader",
        DefineClass(env, "Loader",
                    {InstanceAccessor<&LoaderBinding::batches_per_epoch>("batchesPerEpoch"),
                     InstanceMethod<&LoaderBinding::consumed>("consumed"), InstanceMethod<&LoaderBinding::seek>("seek"),
                     InstanceMethod<&LoaderBinding::stats>("stats"), InstanceMethod<&LoaderBinding::close>("close")}));
  }

  explicit LoaderBinding(const Napi::CallbackInfo& call) : Napi::ObjectWrap<LoaderBinding>(call), env_(call.Env()) {
    dataset_ = Napi::Persistent(to_object(call[0], "dataset"));
    loader_ = unwrap(env_, Loader::create(unwrap_dataset(call[0]), read_options(call[1])));
    napi_add_env_cleanup_hook(env_, on_environment_end, this);
    call.This().As<Napi::Object>().TypeTag(&kTag);
  }

  ~LoaderBinding() override {
    if (loader_ != nullptr) napi_remove_env_cleanup_hook(env_, on_environment_end, this);
  }

  const std::shared_ptr<Loader>& loader() const {
    if (loader_ == nullptr) throw_invalid(env_, "the loader was closed");
    return loader_;
  }

 private:
  // Mappings may be released in any order when an environment ends: stop reading before that.
  static void on_environment_end(void* binding) { static_cast<LoaderBinding*>(binding)->loader_.reset(); }

  Napi::Value batches_per_epoch(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(loader()->batches_per_epoch()));
  }

  Napi::Value consumed(const Napi::CallbackInfo& call) {
    const Cursor cursor = loader()->consumed();
    Napi::Object result = Napi::Object::New(call.Env());
    result.Set("epoch", static_cast<double>(cursor.epoch));
    result.Set("batch", static_cast<double>(cursor.batch));
    return result;
  }

  void seek(const Napi::CallbackInfo& call) {
    const Fields fields(call[0], "cursor");
    if (loader().use_count() > 1) throw_invalid(call.Env(), "the loader cannot seek while a program reads from it");
    check(call.Env(), loader_->seek({fields.unsigned_integer("epoch"), fields.unsigned_integer("batch")}));
  }

  Napi::Value stats(const Napi::CallbackInfo& call) {
    const LoaderStats stats = loader()->stats();
    Napi::Object result = Napi::Object::New(call.Env());
    result.Set("batches", static_cast<double>(stats.batches));
    result.Set("rows", static_cast<double>(stats.rows));
    result.Set("bytesGathered", static_cast<double>(stats.bytes_gathered));
    result.Set("waitSeconds", stats.wait_seconds);
    result.Set("assembled", static_cast<double>(stats.assembled));
    result.Set("gatherSeconds", stats.gather_seconds);
    result.Set("indexSeconds", stats.index_seconds);
    return result;
  }

  void close(const Napi::CallbackInfo& /*call*/) {
    if (loader_ == nullptr) return;
    napi_remove_env_cleanup_hook(env_, on_environment_end, this);
    loader_.reset();
  }

  Napi::Env env_;
  Napi::ObjectReference dataset_;  // its memory must outlive the loader, closed or not
  std::shared_ptr<Loader> loader_;
};

}  // namespace

std::shared_ptr<Loader> unwrap_loader(Napi::Value value) {
  return unwrap_tagged<LoaderBinding>(value, "a Loader")->loader();
}

void register_loader(Napi::Env env, Napi::Object exports) { LoaderBinding::define(env, exports); }

}  // namespace prerank::addon
