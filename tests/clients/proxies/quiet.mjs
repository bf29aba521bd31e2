// Subscribes through proxies by server-sent events, multipart and WebSocket: an event arrives at once, and another after a pause
// that is longer than the proxies' timeouts.
//
//   node tests/clients/proxies/quiet.mjs SECONDS WAYS URL…     WAYS: events,parts,socket

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { setTimeout as pass } from 'node:timers/promises';

const web = createRequire(new URL('../../../web/package.json', import.meta.url));
const { createClient } = web('graphql-ws');
const WebSocket = web('ws');

const [seconds, ways, ...addresses] = process.argv.slice(2);
const AT_ONCE = 5_000;
const OPEN = { events, parts, socket };

const checks = addresses.flatMap((address) => ways.split(',').map((way) => [way, address]));
const outcomes = await Promise.allSettled(checks.map(([way, address]) => hearsAfterASilence(way, address)));
outcomes.forEach(({ reason }, index) => {
  const name = `${checks[index].join(', ')}: an event at once, and one after ${seconds} s`;
  console.log(reason ? `FAIL  ${name}: ${reason.message}` : `ok    ${name}`);
});
process.exit(outcomes.some(({ reason }) => reason) ? 1 : 0);

async function hearsAfterASilence(way, address) {
  const item = `quiet-${way}-${new URL(address).port}`;
  const query = `subscription { metricRecorded(where: {item: {eq: "${item}"}}) { variantName } }`;
  const heard = [];
  let ended = null;
  const leave = OPEN[way](address, query, (text) => heard.push(text), (why) => (ended ??= why));
  // A subscription is not acknowledged: metrics are recorded until one arrives.
  for (let number = 0; heard.length === 0; number += 1) {
    assert.ok(number < 60, `nothing is heard (${ended})`);
    await record(address, item, `first-${number}`);
    await pass(500);
  }
  const says = async (variant) => {
    await record(address, item, variant);
    const deadline = Date.now() + AT_ONCE;
    while (!heard.some((text) => text.includes(variant))) {
      assert.ok(Date.now() < deadline, `${variant} is not heard (${ended})`);
      await pass(20);
    }
  };
  await says('at-once');
  await pass(seconds * 1_000);
  assert.equal(ended, null, `it ended: ${ended}`);
  await says('after-a-silence');
  leave();
}

function events(address, query, hear, end) {
  return stream(address, query, 'text/event-stream', hear, end);
}

function parts(address, query, hear, end) {
  return stream(address, query, 'multipart/mixed;subscriptionSpec=1.0, application/json', hear, end);
}

function stream(address, query, accept, hear, end) {
  const leaving = new AbortController();
  const read = async () => {
    const headers = { 'content-type': 'application/json', accept };
    const options = { method: 'POST', headers, body: JSON.stringify({ query }), signal: leaving.signal };
    const reply = await fetch(`${address}/graphql`, options);
    assert.equal(reply.status, 200);
    let text = '';
    for await (const piece of reply.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      hear(text);
    }
  };
  read().then(() => end('the stream ended'), (error) => end(error.cause?.message ?? error.message));
  return () => leaving.abort();
}

function socket(address, query, hear, end) {
  const url = `${address.replace(/^http/, 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  client.subscribe({ query }, {
    next: (answer) => hear(JSON.stringify(answer)),
    error: (error) => end(`${error.code} ${error.reason ?? error.message}`),
    complete: () => end('completed'),
  });
  return () => client.dispose();
}

async function record(address, item, item_variant) {
  const metric = {
    session_h: 'quiet', context_h: 'c', item_start_time: '2026-01-05T03:00:00', item_path: 'tests.quiet', item, item_variant,
    item_fs_loc: 'tests/quiet.py', kind: 'function', component: 'core', total_time: 1.5, user_time: 1, kernel_time: 0.25,
    cpu_usage: 0.75, mem_usage: 1,
  };
  const headers = { 'content-type': 'application/json' };
  const reply = await fetch(`${address}/api/v1/metrics/`, { method: 'POST', headers, body: JSON.stringify(metric) });
  assert.equal(reply.status, 201);
}
