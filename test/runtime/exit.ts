/** A process that ends in the way its argument says. */
import { makeDataset, makeLoader, makeStore, makeTrainer, runRequest } from './fixture.js';

const trainer = makeTrainer(makeStore());
const loader = makeLoader(makeDataset(5000), { epochs: 1e6 });
const mode = process.argv[2];
if (mode === 'idle') {
  await trainer.run(loader, runRequest(5));
  console.log('done');
} else {
  const pending = trainer.run(loader, runRequest(1e6));
  setTimeout(() => {
    if (mode === 'exit') process.exit(7);
    if (mode === 'throw') throw new Error('on purpose');
    trainer.cancel();
  }, 100);
  await pending;
  console.log('cancelled');
}
