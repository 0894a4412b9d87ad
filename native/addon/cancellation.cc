#include "addon/cancellation.h"

#include "addon/bindings.h"
#include "addon/tagged.h"

namespace prerank::addon {
namespace {

class Cancellation : public Napi::ObjectWrap<Cancellation> {
 public:
  static constexpr napi_type_tag kTag = {0x5d2c1f0a9b7e4c38, 0xa1e6b3d48f709c25};

  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("Cancellation",
                DefineClass(env, "Cancellation", {InstanceMethod<&Cancellation::cancel>("cancel")}));
  }

  explicit Cancellation(const Napi::CallbackInfo& call) : Napi::ObjectWrap<Cancellation>(call) {
    call.This().As<Napi::Object>().TypeTag(&kTag);
  }

  const StopFlag& flag() const { return flag_; }

 private:
  void cancel(const Napi::CallbackInfo& /*call*/) { *flag_ = true; }

  StopFlag flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace

StopFlag stop_flag_of(Napi::Value cancellation) {
  if (cancellation.IsUndefined()) return std::make_shared<std::atomic<bool>>(false);
  return unwrap_tagged<Cancellation>(cancellation, "a Cancellation")->flag();
}

void register_cancellation(Napi::Env env, Napi::Object exports) { Cancellation::define(env, exports); }

}  // namespace prerank::addon
