// Stores a history on a running Metrograph: pipelines, builds, components, tags, names in many scripts, unannounced sessions and contexts.
//
//   node past.mjs http://127.0.0.1:PORT

import { send } from './server.mjs';

const METRICS = 3000;
const AT_ONCE = 500;
const SESSIONS = 60;
const CONTEXTS = 4;
const COMPONENTS = ['', 'core', 'core.io', 'ünïcode', '部品', 'ui "quoted"'];
const PIPELINES = ['main', 'release/2.x', 'nightly', '夜間'];

const context = (number) => ({
  hash: `context-${number}`,
  cpuCount: 4 << number,
  cpuFrequency: 2400.5 + number,
  cpuType: 'x86_64',
  cpuVendor: number % 2 ? 'A vendor' : null,
  ramTotal: 16000 + number,
  machineNode: `node${number}.example.org`,
  machineType: number % 2 ? 'x86_64' : 'arm64',
  machineArch: '64bit',
  systemInfo: 'Linux - 6.1',
  pythonInfo: `3.${9 + number}.2 (main)\n[GCC]`,
});

const session = (number) => ({
  hash: `session-${number}`,
  runDate: `2024-0${1 + (number % 9)}-1${number % 10}T0${number % 10}:30:00${number % 2 ? '.125000' : ''}`,
  scmRef: number % 7 ? `revision-${number % 11}` : null,
  tags: {
    ...(number % 6 ? { pipeline_branch: PIPELINES[number % PIPELINES.length] } : {}),
    ...(number % 5 ? { pipeline_build_no: String(100 + (number % 12)) } : {}),
    quality: number % 3 ? 'green' : 'red',
    python: '3.12',
    empty: '',
    größe: number,
    nightly: number % 2 === 0,
  },
});

// The last of sessions and contexts are never announced.
const metric = (number) => ({
  sessionHash: `session-${(number * 7) % (SESSIONS + 5)}`,
  contextHash: `context-${number % (CONTEXTS + 1)}`,
  startedAt: `2024-03-0${1 + (number % 9)}T12:${10 + (number % 50)}:00`,
  componentName: COMPONENTS[number % COMPONENTS.length],
  itemPath: number % 13 ? `tests.module_${number % 4}` : '',
  itemName: `test_speed_${number % 9}`,
  variantName: `test_speed_${number % 9}[${number % 5}-🐍]`,
  location: `tests/module_${number % 4}.py`,
  kind: ['function', 'module', 'class'][number % 3],
  totalTime: (((number * 37) % 101) + 1) / 7,
  userTime: ((number * 11) % 53) / 3,
  kernelTime: number % 4 ? 1e-7 * number : 0,
  cpuUsage: 1 / (1 + (number % 9)),
  memoryUsage: (number - 1500) / 13,
  passed: [true, false, null][number % 3],
});

const [address] = process.argv.slice(2);
const run = async (query, input) => {
  const answer = await send(address, { query, variables: { input } });
  const { errors, data } = JSON.parse(answer);
  if (errors || Object.values(data)[0].userErrors.length) throw new Error(answer.slice(0, 1000));
};

for (let number = 0; number < CONTEXTS; number++) {
  await run('mutation ($input: AnnounceContextInput!) { announceContext(input: $input) { userErrors { message } } }', context(number));
}
for (let start = 0; start < METRICS; start += AT_ONCE) {
  // Some sessions are announced before their metrics, some after.
  for (let number = start / AT_ONCE; number < SESSIONS; number += METRICS / AT_ONCE) {
    await run(
      'mutation ($input: AnnounceSessionInput!) { announceSession(input: $input) { userErrors { message } } }',
      session(number),
    );
  }
  const metrics = Array.from({ length: AT_ONCE }, (_, index) => metric(start + index));
  await run('mutation ($input: RecordMetricsInput!) { recordMetrics(input: $input) { userErrors { message } } }', { metrics });
}
