-- videos, from all_stage/<day>.feather: one row a video that retrieval found for a request, with 0/1 columns for what
-- became of it.
-- The stage is the furthest reached. Positions are published, not scores: the reciprocal of the position in the ranking
-- stage stands in for the final stage's value. Times are milliseconds (request) and seconds (upload), Beijing's UTC+8.
SELECT parse_filename(filename, true)::DATE AS day, request_id, user_id, device_id, age, gender, province,
  request_timestamp AS time, isodow(local_time) AS weekday, hour(local_time) AS hour,
  video_id, author_id, category_level_one, category_level_two, upload_type, duration / 1000 AS duration_s,
  greatest(request_timestamp / 1000 - upload_timestamp, 0) / 3600 AS video_age_h,
  CASE
    WHEN effective_view = 1 AND realshow = 1 THEN 'click'
    WHEN realshow = 1 THEN 'impression'
    WHEN rerank_pos = 1 OR rerank_neg = 1 THEN 'auction'
    WHEN rank_pos = 1 OR rank_neg = 1 THEN 'final'
    WHEN coarse_neg = 1 THEN 'early'
    ELSE 'retrieved'
  END AS stage,
  realshow AS shown, if(realshow = 1, effective_view, NULL) AS effective_view,
  if(realshow = 1, long_view, NULL) AS long_view,
  (stage NOT IN ('retrieved', 'early'))::TINYINT AS ranked, if(ranked = 1, 1 / (1 + rank_index), NULL) AS rank_value
FROM (
  SELECT *, epoch_ms(request_timestamp) + INTERVAL 8 HOURS AS local_time
  FROM videos
)
