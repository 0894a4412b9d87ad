#include "bench/affinity.h"

#include <cerrno>
#include <cstring>
#include <string>

#ifdef __linux__
#include <dirent.h>
#include <sched.h>

#include <cstdlib>
#endif

namespace prerank::bench {

#ifdef __linux__

std::vector<size_t> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<size_t> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cores;
  for (size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

Status pin_process(const std::vector<size_t>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const size_t core : cores) {
    if (core >= CPU_SETSIZE) return {Code::kInvalidArgument, "there is no core " + std::to_string(core)};
    CPU_SET(core, &set);
  }
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return {Code::kUnsupported, "/proc does not list the threads of this process"};
  int error = 0;
  for (const dirent* entry = readdir(tasks); entry != nullptr; entry = readdir(tasks)) {
    const int thread = std::atoi(entry->d_name);
    // A thread that ended meanwhile is no error.
    if (thread > 0 && sched_setaffinity(thread, sizeof(set), &set) != 0 && errno != ESRCH) error = errno;
  }
  closedir(tasks);
  if (error == 0) return {};
  return {Code::kInvalidArgument, std::string("the process cannot be pinned: ") + std::strerror(error)};
}

#else

std::vector<size_t> allowed_cores() { return {}; }

Status pin_process(const std::vector<size_t>& /*cores*/) {
  return {Code::kUnsupported, "this system does not let a process choose its cores"};
}

#endif

}  // namespace prerank::bench
