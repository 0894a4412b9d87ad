// Each binding adds its classes or functions to the addon's exports. Called once per environment (main thread or
// worker thread) from module.cc; bindings keep no state outside the objects they create.
#pragma once

#include <napi.h>

namespace prerank::addon {

void register_info(Napi::Env env, Napi::Object exports);
void register_mapping(Napi::Env env, Napi::Object exports);
void register_dataset(Napi::Env env, Napi::Object exports);
void register_loader(Napi::Env env, Napi::Object exports);
void register_hash(Napi::Env env, Napi::Object exports);
void register_metrics(Napi::Env env, Napi::Object exports);
void register_store(Napi::Env env, Napi::Object exports);
void register_program(Napi::Env env, Napi::Object exports);
void register_bench(Napi::Env env, Napi::Object exports);
void register_cancellation(Napi::Env env, Napi::Object exports);
void register_stage(Napi::Env env, Napi::Object exports);
void register_ingest(Napi::Env env, Napi::Object exports);

}  // namespace prerank::addon
