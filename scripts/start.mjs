/** `npm start`: sets up what is missing, then runs the quick start on the sample logs. */
import { join } from 'node:path';
import { run } from './lib/process.mjs';
import { ROOT } from './lib/root.mjs';
import { setup } from './setup.mjs';

const status = await setup();
process.exitCode =
  status === 0
    ? await run(process.execPath, [join(ROOT, 'examples', '01-quickstart', 'quickstart.mjs')], { cwd: ROOT })
    : status;
