/** Predictions of logs with requests: once a request on the user side, or row by row. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openRun, predict } from '../../src/index.js';
import { duckdb } from '../support/sample-run.js';
import { smallArms } from './fixture.js';

describe('prediction of a log with requests', () => {
  it('is the same whether requests are together, scattered or not there, in the order of the log', async () => {
    const { multiTask, replay, folder } = await smallArms();
    const run = await openRun(multiTask, { threads: 1 });
    const scored = async (name: string, select: string): Promise<{ input: string; output: string }> => {
      const [input, output] = [join(folder, `${name}.parquet`), join(folder, `${name}-scores.parquet`)];
      await duckdb(`COPY (${select}) TO '${input}' (FORMAT parquet)`);
      await predict(run, { input: [input], output });
      return { input, output };
    };
    const all = `SELECT * FROM '${replay[0]}'`;
    const together = await scored('together', all);
    const scattered = await scored('scattered', `${all} ORDER BY hash(request_id, ad_id)`);
    const without = await scored('without', `SELECT * EXCLUDE (request_id) FROM '${replay[0]}'`);
    for (const { input, output } of [together, scattered]) {
      const ids = 'request_id, ad_id, user_id';
      const [order] = await duckdb(
        `SELECT count(*)::INTEGER, bool_and(l.request_id = p.request_id AND l.ad_id = p.ad_id)
         FROM (SELECT ${ids} FROM '${input}') l POSITIONAL JOIN (SELECT ${ids} FROM '${output}') p`,
      );
      assert.equal(order?.[1], true, output);
      assert.ok(Number(order?.[0]) > 0);
    }
    const [same] = await duckdb(
      `SELECT count(*)::INTEGER, max(abs(a.ctr - b.ctr)), max(abs(a.cqs - b.cqs)), max(abs(a."totalValue" - b."totalValue"))
       FROM '${together.output}' a JOIN '${scattered.output}' b USING (request_id, ad_id)`,
    );
    const [rows] = await duckdb(`SELECT count(*)::INTEGER FROM '${together.input}'`);
    assert.equal(same?.[0], rows?.[0]);
    for (const difference of same?.slice(1) ?? []) assert.ok(Number(difference) < 1e-5, String(difference));
    const [plain] = await duckdb(
      `SELECT max(abs(a.ctr - b.ctr)) FROM (SELECT ctr FROM '${together.output}') a
       POSITIONAL JOIN (SELECT ctr FROM '${without.output}') b`,
    );
    assert.ok(Number(plain?.[0]) < 1e-5, String(plain?.[0]));
  });
});
