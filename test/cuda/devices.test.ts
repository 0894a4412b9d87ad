/** What a user meets who asks for a GPU: the choice of the device, and errors that say why there is none. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { trainingProgram } from '../../src/models/registry.js';
import { deviceSpec, resolveDevice } from '../../src/runtime/device.js';
import { loadAddon, packageRoot } from '../../src/runtime/load.js';
import { dense, modelWeights, sparse, storeWith } from '../graph/native-support.js';
import { uniform } from '../graph/random.js';
import { present } from '../graph/reference.js';
import { FEATURES, TASKS, TWO_TOWER } from '../models/fixtures.js';
import { leaveEmulatedDevice, useEmulatedDevice } from '../support/emulated-device.js';
import { prerankWith } from '../support/sample-run.js';

const OPTIMIZERS = { dense: dense('adam'), sparse: sparse('adagrad') };

describe('CUDA devices', () => {
  afterEach(leaveEmulatedDevice);

  it('are taken by auto when programs can run on one, and named', function () {
    useEmulatedDevice(this, 'memory=1000000000');
    const addon = loadAddon();
    assert.equal(resolveDevice(addon, 'auto'), 'cuda:0');
    assert.equal(resolveDevice(addon, 'cpu'), 'cpu');
    const [device] = addon.cuda().devices;
    assert.deepEqual([device?.name, device?.bytes, device?.computeCapability], ['Emulated device', 1e9, '9.0']);
    assert.throws(() => resolveDevice(addon, 'cuda:3'), {
      code: 'DEVICE_UNAVAILABLE',
      message: /there is no cuda:3; this machine has cuda:0 \(Emulated device\)/,
    });
  });

  it('are not taken, and say why, without a library, a device, a new driver or cuBLASLt', function () {
    const addon = loadAddon();
    const refused = (message: RegExp): void => {
      assert.equal(resolveDevice(addon, 'auto'), 'cpu');
      assert.throws(() => resolveDevice(addon, 'cuda:0'), { code: 'DEVICE_UNAVAILABLE', message });
    };
    useEmulatedDevice(this, 'none');
    refused(/cuda:0 cannot be used: the NVIDIA driver finds no device/);
    process.env.PRERANK_EMULATED_DEVICE = 'old-driver';
    refused(/the NVIDIA driver is too old: it supports CUDA 11\.4, this build needs 13\.0/);
    delete process.env.PRERANK_EMULATED_DEVICE;
    process.env.PRERANK_CUDA_LIBRARY = '/nowhere/libprerank_cuda.so';
    refused(/the CUDA library cannot be loaded: .*nowhere/);
    process.env.PRERANK_CUDA_LIBRARY = join(packageRoot(), 'build', 'Release', 'prerank.node');
    refused(/prerank\.node is not prerank's CUDA library/);
    process.env.PRERANK_CUDA_LIBRARY = process.execPath;
    refused(/the CUDA library cannot be loaded/);
  });

  it('are described by doctor', function () {
    useEmulatedDevice(this, 'memory=2147483648');
    const { status, stdout } = prerankWith({}, 'doctor', '--json');
    assert.equal(status, 0);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; found: string }[] };
    const cuda = checks.find(({ name }) => name === 'CUDA');
    assert.equal(cuda?.state, 'ok');
    assert.match(
      cuda?.found ?? '',
      /cuda:0 Emulated device, compute capability 9\.0, 2048 of 2048 MiB free; cuBLASLt .*emulated/,
    );
    const without = JSON.parse(
      prerankWith({ PRERANK_CUBLASLT: '/nowhere/libcublasLt.so' }, 'doctor', '--json').stdout,
    ) as {
      checks: { name: string; state: string; remedy: string }[];
    };
    const absent = without.checks.find(({ name }) => name === 'CUDA');
    assert.equal(absent?.state, 'absent');
    assert.match(absent?.remedy ?? '', /cuBLASLt 13 cannot be opened .*set PRERANK_CUBLASLT/);
  });

  it('say what needs how much when a program does not fit', function () {
    useEmulatedDevice(this, 'memory=100000000');
    const addon = loadAddon();
    // Programs of earlier tests that nobody has collected yet hold memory, too.
    delete process.env.PRERANK_EMULATED_DEVICE;
    const { bytes, freeBytes } = present(addon.cuda().devices[0]);
    process.env.PRERANK_EMULATED_DEVICE = `memory=${100_000_000 + bytes - freeBytes}`;
    const { plan, parameters } = trainingProgram(TWO_TOWER, FEATURES, TASKS);
    const store = storeWith(
      addon,
      parameters,
      modelWeights(parameters, uniform(1)),
      OPTIMIZERS,
      deviceSpec('cuda:0', { matmul: 'float32' }),
    );
    const settings = { threads: 1, capacity: 10_000_000, seed: 1 };
    assert.throws(() => new addon.Program(plan, store, settings), {
      code: 'OUT_OF_MEMORY',
      message:
        /batches of 10000000 rows needs \d+ MiB .*\n {2}\d+ MiB {2}activations .*\n.*\n(?:.*\n)*.*training\.batchSize/,
    });
    assert.ok(new addon.Program(plan, store, { ...settings, capacity: 64 }).bytes > 0);
  });

  it('are needed for products in tf32', () => {
    assert.throws(() => deviceSpec('cpu', { matmul: 'tf32' }), {
      code: 'CONFIG_INVALID',
      message: /tf32 products need a GPU/,
    });
    assert.deepEqual(deviceSpec('cpu', { matmul: 'bfloat16' }), { matmul: 'bfloat16' });
  });
});
