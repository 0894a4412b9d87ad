/**
 * Serves requests with a trained two-tower model: vectors of all ads once, then scores of a thousand of them for a user.
 *   node examples/05-serving/serving.mjs [--out runs/05-serving]
 */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { loadConfig, openRun, RequestScorer, train } from 'prerank';

const SAMPLE = fileURLToPath(new URL('../../data/sample', import.meta.url));
const REQUESTS = 50;

const { values } = parseArgs({ options: { out: { type: 'string', default: 'runs/05-serving' } } });
const out = resolve(values.out);
rmSync(out, { recursive: true, force: true });

const config = loadConfig(join(SAMPLE, 'config.yaml'), { set: ['training.epochs=1'] });
await train(config, { out });

/** Rows of the log as a server would have them: objects with the columns that features read. */
const connection = await (await DuckDBInstance.create(':memory:')).connect();
const rowsOf = async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJS();
const columnsOf = (...sides) =>
  sides.flatMap((side) =>
    config.data.features[side].flatMap(({ name, weights }) => [name, ...(weights ? [weights] : [])]),
  );
const LOG = `read_parquet('${join(SAMPLE, 'eval.parquet').replaceAll("'", "''")}')`;
const ads = await rowsOf(`SELECT DISTINCT ON (ad_id) ${columnsOf('ad')} FROM ${LOG} ORDER BY ad_id, ts DESC`);
const users = await rowsOf(
  `SELECT DISTINCT ON (request_id) ${columnsOf('user', 'context')} FROM ${LOG} ORDER BY request_id LIMIT ${REQUESTS}`,
);
connection.closeSync();

const scorer = new RequestScorer(await openRun(out, { threads: 1 }));
const vectors = await scorer.adVectors(ads);
console.log(`${vectors.count} ads, ${vectors.width} numbers each`);

// Every request scores a thousand candidates, which here repeat the ads of the log.
const candidates = Uint32Array.from({ length: 1000 }, (_, i) => (i * 7) % vectors.count);
const milliseconds = [];
for (const user of users) {
  const start = performance.now();
  const scores = await scorer.score(user, candidates, vectors);
  milliseconds.push(performance.now() - start);
  if (user !== users[0]) continue;
  const ctr = scores.get('ctr');
  const best = ctr.indexOf(Math.max(...ctr));
  console.log(`best of the first request: ad ${ads[candidates[best]].ad_id}, predicted CTR ${ctr[best].toFixed(4)}`);
}
milliseconds.sort((a, b) => a - b);
console.log(`${REQUESTS} requests of ${candidates.length} ads, median ${milliseconds[REQUESTS / 2].toFixed(2)} ms`);

// An ad that changes gets a new vector; the others keep theirs.
const [ad] = ads;
const scoresOf = async () => [...(await scorer.score(users[0], Uint32Array.of(0, 1), vectors)).get('ctr')];
const before = await scoresOf();
vectors.set(await scorer.adVectors([{ ...ad, ad_price: 10 * ad.ad_price }]), 0);
const after = await scoresOf();
const show = (numbers) => numbers.map((value) => value.toFixed(6)).join(' and ');
console.log(`ad ${ad.ad_id} at ten times its price, and the next ad: ${show(before)} become ${show(after)}`);
