#include <napi.h>

#include "addon/bindings.h"

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  using namespace prerank::addon;
  register_info(env, exports);
  register_mapping(env, exports);
  register_dataset(env, exports);
  register_loader(env, exports);
  register_hash(env, exports);
  register_metrics(env, exports);
  register_store(env, exports);
  register_program(env, exports);
  register_bench(env, exports);
  register_cancellation(env, exports);
  register_stage(env, exports);
  register_ingest(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(prerank, initialize)
