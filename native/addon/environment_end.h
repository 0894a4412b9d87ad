// Tells work on other threads that the environment ends.
#pragma once

#include <napi.h>

#include <atomic>

namespace prerank::addon {

// Made and destroyed on the environment's thread; ended() may be asked by any.
class EnvironmentEnd {
 public:
  explicit EnvironmentEnd(Napi::Env env) : env_(env) { napi_add_env_cleanup_hook(env_, &EnvironmentEnd::end, this); }
  ~EnvironmentEnd() {
    if (!ended_) napi_remove_env_cleanup_hook(env_, &EnvironmentEnd::end, this);
  }
  EnvironmentEnd(const EnvironmentEnd&) = delete;
  EnvironmentEnd& operator=(const EnvironmentEnd&) = delete;

  bool ended() const { return ended_; }

 private:
  static void end(void* self) { static_cast<EnvironmentEnd*>(self)->ended_ = true; }

  napi_env env_;
  std::atomic<bool> ended_{false};
};

}  // namespace prerank::addon
