-- ratings.dat, users.dat, movies.dat: Latin-1, no header, fields separated by ::, genres by |. Each user's last tenth
-- of the ratings in order of time becomes the test log.
WITH ratings AS (
  FROM read_csv('ratings.dat', delim = '::', header = false,
    columns = { 'user_id': 'INTEGER', 'movie_id': 'INTEGER', 'rating': 'TINYINT', 'timestamp': 'BIGINT' })
), users AS (
  FROM read_csv('users.dat', delim = '::', header = false, columns = {
    'user_id': 'INTEGER', 'gender': 'VARCHAR', 'age': 'SMALLINT', 'occupation': 'SMALLINT', 'zip': 'VARCHAR' })
), movies AS (
  FROM read_csv('movies.dat', delim = '::', header = false, quote = '', escape = '', encoding = 'latin-1',
    columns = { 'movie_id': 'INTEGER', 'title': 'VARCHAR', 'genres': 'VARCHAR' })
)
SELECT * REPLACE (string_split(genres, '|') AS genres), (rating >= 4)::TINYINT AS liked,
  if(percent_rank() OVER (PARTITION BY user_id ORDER BY timestamp, movie_id) < 0.9, 'train', 'test') AS split
FROM ratings JOIN users USING (user_id) JOIN movies USING (movie_id)
