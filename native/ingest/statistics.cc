#include "ingest/statistics.h"

#include <algorithm>

namespace prerank::ingest {

void NumberStatistics::merge(const NumberStatistics& later) {
  nulls += later.nulls;
  moments.merge(later.moments);
  constant = constant && later.constant;
}

void IdStatistics::merge(const IdStatistics& later) {
  nulls += later.nulls;
  ids += later.ids;
  empty += later.empty;
  longest = std::max(longest, later.longest);
  out_of_vocabulary += later.out_of_vocabulary;
  constant = constant && later.constant;
}

void LogStatistics::merge(const FeatureStatistics& later) {
  const auto& other = static_cast<const LogStatistics&>(later);
  rows += other.rows;
  requests += other.requests;
  for (size_t i = 0; i < dense.size(); ++i) dense[i].merge(other.dense[i]);
  for (size_t i = 0; i < ids.size(); ++i) ids[i].merge(other.ids[i]);
}

}  // namespace prerank::ingest
