import assert from 'node:assert/strict';
import { Publication, pick } from './support/recipe.js';

const CHROME = 'Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.1 (KHTML, like Gecko) Chrome/21.0.1180.89 Safari/537.1';
const PHONE = 'Mozilla/5.0 (Linux; U; Android 4.1; zh-cn) AppleWebKit/534.30 Version/4.0 Mobile Safari/534.30';

describe('recipe ipinyou', () => {
  const files = new Publication();
  after(() => files.remove());

  const line = (i: number, type: number): unknown[] => [
    `bid${i}`,
    `201306060001${String(10 + (i % 50))}008`,
    type,
    `Vh${i % 5}`,
    i % 2 === 0 ? CHROME : PHONE,
    '115.45.195.*',
    216,
    219 + (i % 3),
    i % 2,
    '13625cb070ffb306b425cd803c4b7ab4',
    '4199d1227c511fc776b76594dabff9f8',
    'null',
    `slot${i % 4}`,
    728,
    90,
    'OtherView',
    'Na',
    i % 3 === 0 ? 0 : 133,
    `creative${i % 2}`,
    277,
    101 + i,
    'null',
    1458,
    i % 4 === 0 ? 'null' : '10006,10110',
  ];
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  before(() => {
    files.table(
      'training2nd/imp.20130606.txt',
      '\t',
      range(0, 12).map((i) => line(i, 1)),
    );
    files.table(
      'training2nd/clk.20130606.txt',
      '\t',
      [...range(3, 5), 3].map((i) => line(i, 2)),
    );
    files.table(
      'training3rd/imp.20131019.txt',
      '\t',
      range(12, 20).map((i) => line(i, 1)),
    );
    // A click on another creative of the same bid is none on this one.
    files.table('training3rd/clk.20131019.txt', '\t', [line(12, 2).with(18, 'creative9')]);
    files.table(
      'testing2nd/leaderboard.test.data.20130613_15.txt',
      '\t',
      range(20, 26).map((i) => [...line(i, 1), i % 3 === 0 ? 2 : 0, 0]),
    );
    files.table(
      'testing3rd/leaderboard.test.data.20131026_28.txt',
      '\t',
      range(26, 30).map((i) => [...line(i, 1), 0, 0]),
    );
  });

  it('finds the clicks of the training impressions in the click logs', async () => {
    const rows = await files.rows('ipinyou/config.yaml', 'train', 'payprice');
    assert.equal(rows.length, 20);
    assert.deepEqual(
      rows.filter((row) => row.click === 1).map((row) => row.bidid),
      ['bid3', 'bid4'],
    );
  });

  it('counts the clicks that the test rows carry', async () => {
    const rows = await files.rows('ipinyou/config.yaml', 'eval', 'payprice');
    assert.deepEqual(
      pick(rows, 'bidid', 'click'),
      range(20, 30).map((i) => [`bid${i}`, i === 21 || i === 24 ? 1 : 0]),
    );
  });

  it('reads time, browser, prices and the list of user tags', async () => {
    const rows = await files.rows('ipinyou/config.yaml', 'train', 'payprice');
    const names = ['time', 'weekday', 'hour', 'os', 'browser', 'city', 'slotprice', 'bidprice', 'payprice', 'usertag'];
    assert.deepEqual(pick(rows.slice(0, 2), ...names), [
      ['2013-06-06 00:01:10', '4', '0', 'windows', 'chrome', 219, 0, 277, 101, []],
      ['2013-06-06 00:01:11', '4', '0', 'linux', 'safari', 220, 133, 277, 102, ['10006', '10110']],
    ]);
  });

  it('trains', async () => {
    const { columns, rows } = await files.train('ipinyou/config.yaml');
    assert.deepEqual(rows, { train: 20, eval: 10 });
    const lengths = (columns['feature.usertag'] as number[][]).map((list) => list.length);
    assert.equal(lengths.filter((length) => length === 0).length, 5);
    assert.equal(lengths.filter((length) => length === 2).length, 15);
  });
});
