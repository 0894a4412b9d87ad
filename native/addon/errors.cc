#include "addon/errors.h"

namespace prerank::addon {

Napi::Error make_error(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Value().Set("code", Napi::String::New(env, code_name(status.code())));
  return error;
}

void check(Napi::Env env, const Status& status) {
  if (!status.ok()) throw make_error(env, status);
}

void throw_invalid(Napi::Env env, std::string message) {
  throw make_error(env, Status(Code::kInvalidArgument, std::move(message)));
}

}  // namespace prerank::addon
