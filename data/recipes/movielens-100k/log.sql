-- u.data (tabs), u.user and u.item (bars, Latin-1), all without header. The split is by hash, 80 % for training; a
-- split by time would be row_id < 80000.
WITH ratings AS (
  SELECT *, row_number() OVER (ORDER BY ts, user_id, item_id) - 1 AS row_id
  FROM read_csv('u.data', delim = '\t', header = false,
    columns = { 'user_id': 'INTEGER', 'item_id': 'INTEGER', 'rating': 'TINYINT', 'ts': 'BIGINT' })
), users AS (
  FROM read_csv('u.user', delim = '|', header = false, columns = {
    'user_id': 'INTEGER', 'age': 'SMALLINT', 'gender': 'VARCHAR', 'occupation': 'VARCHAR', 'zip_code': 'VARCHAR' })
), items AS (
  SELECT item_id::INTEGER AS item_id, title, regexp_extract(title, '\((\d{4})\)\s*$', 1) AS year,
    list_where(['unknown', 'Action', 'Adventure', 'Animation', 'Children''s', 'Comedy', 'Crime', 'Documentary',
      'Drama', 'Fantasy', 'Film-Noir', 'Horror', 'Musical', 'Mystery', 'Romance', 'Sci-Fi', 'Thriller', 'War',
      'Western'], [*COLUMNS('^genre')]::BOOLEAN[]) AS genres
  FROM read_csv('u.item', delim = '|', header = false, quote = '', escape = '', encoding = 'latin-1',
    all_varchar = true, names = ['item_id', 'title', 'released', 'video_released', 'url']
      || [format('genre{}', i) FOR i IN range(19)])
)
SELECT ratings.*, age, gender, occupation, zip_code, title, nullif(year, '')::SMALLINT AS release_year, genres,
  (rating >= 4)::TINYINT AS click, if(md5('ml100k:' || row_id) < 'cccccccc', 'train', 'test') AS split
FROM ratings JOIN users USING (user_id) JOIN items USING (item_id)
