-- <part>/behaviors.parquet: one row a view of the front page or an article page, with lists of the articles shown and
-- clicked; <part>/history.parquet: what each user had read before. One row out for each article shown.
WITH views AS (
  SELECT *, parse_path(filename)[-2] AS split, unnest(article_ids_inview) AS shown,
    generate_subscripts(article_ids_inview, 1) AS inview_index
  FROM read_parquet(['train/behaviors.parquet', 'validation/behaviors.parquet'], filename = true)
), histories AS (
  SELECT user_id, parse_path(filename)[-2] AS split, article_id_fixed AS history
  FROM read_parquet(['train/history.parquet', 'validation/history.parquet'], filename = true)
)
SELECT split, impression_id AS request_id, session_id, user_id, impression_time AS ts, device_type, gender, age,
  postcode, shown AS article_id, inview_index, views.article_id AS page_article_id, history,
  list_contains(article_ids_clicked, shown)::TINYINT AS click,
  if(click = 1, ln(1 + next_read_time), NULL) AS log_read_time
FROM views LEFT JOIN histories USING (user_id, split)
