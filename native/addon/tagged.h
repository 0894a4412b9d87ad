// Handles that cannot be mistaken for one another: a class' objects carry a type tag, checked before unwrapping.
#pragma once

#include <napi.h>

#include <string>

#include "addon/convert.h"

namespace prerank::addon {

// The native half of `value` when it is an object tagged by Wrapper::kTag; else throws, naming `what`.
template <class Wrapper>
Wrapper* unwrap_tagged(Napi::Value value, const char* what) {
  if (value.IsObject()) {
    const Napi::Object object = value.As<Napi::Object>();
    if (object.CheckTypeTag(&Wrapper::kTag)) return Napi::ObjectWrap<Wrapper>::Unwrap(object);
  }
  throw_invalid(value.Env(), std::string("expected ") + what + ", got " + describe(value));
}

}  // namespace prerank::addon
