// Checks a running Metrograph with npm's graphql-ws and graphql-sse: subscriptions, errors, ends, and close codes.
//
//   node tests/clients/live.mjs http://127.0.0.1:PORT

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const web = createRequire(new URL('../../web/package.json', import.meta.url));
const { createClient: createSocketClient } = web('graphql-ws');
const { createClient: createEventClient } = web('graphql-sse');
const WebSocket = web('ws');

const [address] = process.argv.slice(2);
if (!address) {
  console.error('usage: node tests/clients/live.mjs http://127.0.0.1:PORT');
  process.exit(2);
}
const PROTOCOL = 'graphql-transport-ws';
const PATIENCE = 20_000;
const sockets = `${address.replace(/^http/, 'ws')}/graphql`;

const init = { type: 'connection_init' };
const recorded = (item) => `subscription { metricRecorded(where: {item: {startsWith: "${item}"}}) { itemName totalTime } }`;
const UNUSABLE = [
  ['subscription {', 'GRAPHQL_PARSE_FAILED'],
  ['subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
];

const checks = [
  ['graphql-ws hears a metric', () => hears(socketClient())],
  ['graphql-ws hears in order', () => hearsInOrder(socketClient())],
  ['graphql-ws asks and changes', () => asksAndChanges(socketClient())],
  ['graphql-ws reports what cannot run', socketErrors],
  ['graphql-ws leaves one of two', leavesOne],
  ['graphql-ws pings', pings],
  ['graphql-ws follows a run', () => followsARun(socketClient())],
  ['a socket without the protocol is not opened', () => isRefused([])],
  ['a socket of another protocol is not opened', () => isRefused(['mqtt'])],
  ['what is no message closes with 4400', () => closes(4400, [init, { type: 'gibberish' }])],
  ['asking before the introduction closes with 4401', () => closes(4401, [ask('1')])],
  ['silence closes with 4408', () => closes(4408, [])],
  ['an id in use closes with 4409', () => closes(4409, [init, ask('1'), ask('1')])],
  ['a second introduction closes with 4429', () => closes(4429, [init, init])],
  ['graphql-sse hears a metric', () => hears(eventClient())],
  ['graphql-sse hears in order', () => hearsInOrder(eventClient())],
  ['graphql-sse asks and changes', () => asksAndChanges(eventClient())],
  ['graphql-sse reports what cannot run', eventErrors],
  ['graphql-sse follows a run', () => followsARun(eventClient())],
];
let failed = 0;
for (const [name, check] of checks) {
  try {
    await withPatience(check());
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${error.stack ?? `${error.code} ${error.reason} ${error.message}`}`);
  }
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);

function socketClient(options = {}) {
  return createSocketClient({ url: sockets, webSocketImpl: WebSocket, retryAttempts: 0, ...options });
}

function eventClient() {
  return createEventClient({ url: `${address}/graphql`, retryAttempts: 0 });
}

function withPatience(promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('nothing comes')), PATIENCE).unref());
  return Promise.race([promise, late]);
}

async function record(item, session = 'live') {
  const metric = {
    session_h: session, context_h: 'c', item_start_time: '2026-01-05T03:00:00', item_path: 'tests.live', item,
    item_variant: item, item_fs_loc: 'tests/live.py', kind: 'function', component: 'core', total_time: 1.5,
    user_time: 1, kernel_time: 0.25, cpu_usage: 0.75, mem_usage: 1,
  };
  const reply = await fetch(`${address}/api/v1/metrics/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metric),
  });
  assert.equal(reply.status, 201);
}

// A subscription is not acknowledged: metrics are recorded until the first one arrives.
async function listening(client, item) {
  const events = client.iterate({ query: recorded(`${item}-`) });
  const first = events.next();
  let isHeard = false;
  first.finally(() => (isHeard = true));
  for (let number = 0; !isHeard; number += 1) {
    await record(`${item}-${number}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { events, first: await first };
}

async function hears(client) {
  const { events, first } = await listening(client, 'heard');
  assert.match(first.value.data.metricRecorded.itemName, /^heard-\d+$/);
  assert.equal(first.value.data.metricRecorded.totalTime, 1.5);
  await events.return();
  await client.dispose();
}

async function hearsInOrder(client) {
  const { events } = await listening(client, 'order');
  for (let number = 0; number < 30; number += 1) await record(`order-later${number}`);
  for (let expected = 0; expected < 30; ) {
    const { value } = await events.next();
    const name = value.data.metricRecorded.itemName;
    if (!name.startsWith('order-later')) continue;
    assert.equal(name, `order-later${expected}`);
    expected += 1;
  }
  await events.return();
  await client.dispose();
}

async function all(client, request) {
  const answers = [];
  for await (const answer of client.iterate(request)) answers.push(answer);
  return answers;
}

async function asksAndChanges(client) {
  assert.deepEqual(await all(client, { query: '{ __typename }' }), [{ data: { __typename: 'Query' } }]);
  const query = `mutation Announce($input: AnnounceSessionInput!) {
    announceSession(input: $input) { session { hash } userErrors { message } }
  }`;
  const input = { hash: 'by a client', runDate: '2026-01-05T03:00:00', tags: {} };
  const announced = { announceSession: { session: { hash: 'by a client' }, userErrors: [] } };
  const answers = await all(client, { query, variables: { input }, operationName: 'Announce' });
  assert.deepEqual(answers, [{ data: announced }]);
  await client.dispose();
}

async function followsARun(client) {
  const query = 'subscription { runProgress(session: "run") { testsSeen changed slowest { totalTime } } }';
  const events = client.iterate({ query });
  const before = (await events.next()).value.data.runProgress;
  assert.equal(before.changed, false);
  await record('run', 'run');
  const after = (await events.next()).value.data.runProgress;
  assert.equal(after.testsSeen, before.testsSeen + 1);
  assert.equal(after.changed, true);
  assert.equal(after.slowest[0].totalTime, 1.5);
  await events.return();
  await client.dispose();
}

async function socketErrors() {
  const client = socketClient({ lazy: false });
  for (const [query, code] of UNUSABLE) {
    const errors = await new Promise((resolve, reject) => {
      const unexpected = (what) => () => reject(new Error(`${query}: ${what}`));
      client.subscribe({ query }, { next: unexpected('next'), error: resolve, complete: unexpected('complete') });
    });
    assert.equal(errors[0].extensions.code, code);
  }
  assert.deepEqual(await all(client, { query: '{ __typename }' }), [{ data: { __typename: 'Query' } }]);
  await client.dispose();
}

async function eventErrors() {
  for (const [query, code] of UNUSABLE) {
    const client = eventClient();
    const answers = await all(client, { query });
    assert.equal(answers.length, 1);
    assert.equal(answers[0].errors[0].extensions.code, code);
    client.dispose();
  }
}

async function leavesOne() {
  const client = socketClient({ lazy: false });
  const one = await listening(client, 'one');
  const other = await listening(client, 'other');
  await one.events.return();
  await record('one-unheard');
  await record('other-last');
  for (;;) {
    const { value } = await other.events.next();
    const name = value.data.metricRecorded.itemName;
    assert.match(name, /^other-/);
    if (name === 'other-last') break;
  }
  await client.dispose();
}

function pings() {
  return new Promise((resolve, reject) => {
    const client = socketClient({ lazy: false, keepAlive: 50 });
    client.on('pong', (received) => {
      if (received) resolve(client.dispose());
    });
    client.on('closed', (event) => reject(new Error(`closed with ${event.code}`)));
  });
}

function ask(id) {
  return { id, type: 'subscribe', payload: { query: 'subscription { sessionAnnounced { hash } }' } };
}

async function isRefused(protocols) {
  const socket = new WebSocket(sockets, protocols);
  const response = await new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_, response) => resolve(response));
    socket.on('open', () => reject(new Error('it opened')));
  });
  assert.equal(response.statusCode, 400);
  assert.match(Buffer.concat(await response.toArray()).toString(), /Sec-WebSocket-Protocol: offer graphql-transport-ws/);
}

async function closes(code, messages) {
  const socket = new WebSocket(sockets, PROTOCOL);
  socket.on('open', () => messages.forEach((message) => socket.send(JSON.stringify(message))));
  const given = await new Promise((resolve, reject) => {
    socket.on('close', resolve);
    socket.on('error', reject);
  });
  assert.equal(given, code);
}
