// The one place where a Status becomes a JavaScript error. Errors carry a stable `code` (code_name).
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "prerank/status.h"

namespace prerank::addon {

// An Error whose `code` is the status' code name.
Napi::Error make_error(Napi::Env env, const Status& status);

// Throws the status as a JavaScript error unless it is ok.
void check(Napi::Env env, const Status& status);

// Throws an INVALID_ARGUMENT error.
[[noreturn]] void throw_invalid(Napi::Env env, std::string message);

// The value, or the status thrown as a JavaScript error.
template <class T>
T unwrap(Napi::Env env, Result<T> result) {
  check(env, result.status());
  return std::move(result).value();
}

// Runs `work` and turns C++ exceptions into a Status: for code that runs where nothing may be thrown.
template <class Work>
Status guarded(Work&& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return {Code::kOutOfMemory, "out of memory"};
  } catch (const std::exception& error) {
    return {Code::kInternal, error.what()};
  }
}

}  // namespace prerank::addon
