#include "addon/store_binding.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/tagged.h"

namespace prerank::addon {

SparseOptimizer read_sparse_optimizer(Napi::Value value, const std::string& what) {
  const Fields fields(value, what);
  SparseOptimizer sparse;
  sparse.kind = fields.choice<SparseOptimizerKind>("kind", {{"sgd", SparseOptimizerKind::kSgd},
                                                            {"adagrad", SparseOptimizerKind::kAdagrad},
                                                            {"rowwise-adagrad", SparseOptimizerKind::kRowwiseAdagrad},
                                                            {"adam", SparseOptimizerKind::kAdam}});
  sparse.beta1 = fields.finite("beta1");
  sparse.beta2 = fields.finite("beta2");
  sparse.epsilon = fields.finite("epsilon");
  sparse.initial_accumulator = fields.finite("initialAccumulator");
  sparse.l2 = fields.finite("l2");
  return sparse;
}

DenseOptimizer read_dense_optimizer(Napi::Value value, const std::string& what) {
  const Fields fields(value, what);
  DenseOptimizer dense;
  dense.kind = fields.choice<DenseOptimizerKind>("kind", {{"sgd", DenseOptimizerKind::kSgd},
                                                          {"adagrad", DenseOptimizerKind::kAdagrad},
                                                          {"adam", DenseOptimizerKind::kAdam},
                                                          {"adamw", DenseOptimizerKind::kAdamW}});
  dense.momentum = fields.finite("momentum");
  dense.beta1 = fields.finite("beta1");
  dense.beta2 = fields.finite("beta2");
  dense.epsilon = fields.finite("epsilon");
  dense.initial_accumulator = fields.finite("initialAccumulator");
  dense.l2 = fields.finite("l2");
  dense.weight_decay = fields.finite("weightDecay");
  return dense;
}

namespace {

Init read_init(const Fields& fields) {
  Init init;
  init.kind = fields.choice<InitKind>("kind", {{"zero", InitKind::kZero},
                                               {"constant", InitKind::kConstant},
                                               {"uniform", InitKind::kUniform},
                                               {"normal", InitKind::kNormal}});
  if (init.kind != InitKind::kZero) init.scale = fields.finite("scale");
  return init;
}

ParameterSpec read_parameter(Napi::Value value, const std::string& what) {
  const Fields fields(value, what);
  ParameterSpec spec;
  spec.name = fields.string("name");
  spec.shape = fields.integers("shape");
  spec.init = read_init(fields.object("init"));
  spec.table = fields.boolean("table");
  if (fields.has("host")) spec.host = fields.boolean("host");
  return spec;
}

Device read_device(const Fields& fields) {
  Device device;
  if (fields.has("cuda")) device.cuda = static_cast<int>(fields.unsigned_integer("cuda"));
  device.matmul = fields.choice<MatmulPrecision>("matmul", {{"float32", MatmulPrecision::kFloat32},
                                                            {"tf32", MatmulPrecision::kTf32},
                                                            {"bfloat16", MatmulPrecision::kBfloat16}});
  if (fields.has("autotune")) device.autotune = fields.boolean("autotune");
  if (fields.has("tableCache")) device.table_cache = fields.unsigned_integer("tableCache");
  return device;
}

ParameterStore::Options read_options(Napi::Value value) {
  const Fields fields(value, "StoreSpec");
  ParameterStore::Options options;
  for_each(fields.array("parameters"), fields.path("parameters"), [&](Napi::Value parameter, const std::string& what) {
    options.parameters.push_back(read_parameter(parameter, what));
  });
  options.sparse = read_sparse_optimizer(fields.get("sparse"), fields.path("sparse"));
  options.dense = read_dense_optimizer(fields.get("dense"), fields.path("dense"));
  if (fields.has("tableType")) {
    options.table_type = fields.choice<TableType>(
        "tableType",
        {{"float32", TableType::kFloat32}, {"bfloat16", TableType::kBfloat16}, {"float16", TableType::kFloat16}});
  }
  if (fields.has("device")) options.device = read_device(fields.object("device"));
  options.training = fields.boolean("training");
  options.seed = fields.unsigned_integer("seed");
  return options;
}

Napi::Array tensor_infos(Napi::Env env, const std::vector<Slot>& slots) {
  Napi::Array result = Napi::Array::New(env, slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    const Napi::HandleScope scope(env);
    Napi::Array shape = Napi::Array::New(env, slots[i].shape.size());
    for (size_t d = 0; d < slots[i].shape.size(); ++d) {
      shape.Set(static_cast<uint32_t>(d), static_cast<double>(slots[i].shape[d]));
    }
    Napi::Object info = Napi::Object::New(env);
    info.Set("name", slots[i].name);
    info.Set("shape", shape);
    result.Set(static_cast<uint32_t>(i), info);
  }
  return result;
}

class StoreBinding : public Napi::ObjectWrap<StoreBinding> {
 public:
  static constexpr napi_type_tag kTag = {0x6ad1b6f5c0a94c11u, 0x9d3f0f2be2c44a01u};

  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("ParameterStore", DefineClass(env, "ParameterStore",
                                              {InstanceAccessor<&StoreBinding::bytes>("bytes"),
                                               InstanceMethod<&StoreBinding::parameters>("parameters"),
                                               InstanceMethod<&StoreBinding::states>("states"),
                                               InstanceMethod<&StoreBinding::read>("read"),
                                               InstanceMethod<&StoreBinding::write>("write")}));
  }

  explicit StoreBinding(const Napi::CallbackInfo& call)
      : Napi::ObjectWrap<StoreBinding>(call),
        store_(unwrap(call.Env(), ParameterStore::create(read_options(call[0])))) {
    call.This().As<Napi::Object>().TypeTag(&kTag);
    Napi::MemoryManagement::AdjustExternalMemory(call.Env(), static_cast<int64_t>(store_->bytes()));
  }

  void Finalize(Napi::BasicEnv env) override {
    Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(store_->bytes()));
  }

  const std::shared_ptr<ParameterStore>& store() const { return store_; }

 private:
  Napi::Value bytes(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(store_->bytes()));
  }
  Napi::Value parameters(const Napi::CallbackInfo& call) { return tensor_infos(call.Env(), store_->parameter_slots()); }
  Napi::Value states(const Napi::CallbackInfo& call) { return tensor_infos(call.Env(), store_->state_slots()); }

  Napi::Value read(const Napi::CallbackInfo& call) {
    return to_float32_array(call.Env(), unwrap(call.Env(), store_->read(to_string(call[0], "name"))));
  }

  void write(const Napi::CallbackInfo& call) {
    check(call.Env(), store_->write(to_string(call[0], "name"), to_span<float>(call[1], "data")));
  }

  std::shared_ptr<ParameterStore> store_;
};

}  // namespace

std::shared_ptr<ParameterStore> unwrap_store(Napi::Value value) {
  return unwrap_tagged<StoreBinding>(value, "a ParameterStore")->store();
}

void register_store(Napi::Env env, Napi::Object exports) { StoreBinding::define(env, exports); }

}  // namespace prerank::addon
