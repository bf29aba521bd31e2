// Uses a new Metrograph as the first pages of the clients' docs do: Apollo Client, urql, and code from graphql-codegen.
//
//   SCHEMA=schema.graphql node check.mjs http://127.0.0.1:PORT

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import * as urql from '@urql/core';
import WebSocket from 'ws';

const [address] = process.argv.slice(2);
if (!address) {
  console.error('usage: node check.mjs http://127.0.0.1:PORT');
  process.exit(2);
}
const uri = `${address}/graphql`;
const PATIENCE = 20_000;
const folder = fileURLToPath(new URL('.', import.meta.url));

const RECORD = `mutation Record($input: MetricInput!) {
  recordMetric(input: $input) { metric { id itemName } userErrors { message } }
}`;
const HEARD = `subscription Heard($item: String!) {
  metricRecorded(where: { item: { startsWith: $item } }) { itemName variant { metrics { totalCount } } }
}`;
const PAGE = gql`
  query Page($after: String, $item: String!) {
    metrics(first: 3, after: $after, where: { item: { startsWith: $item } }) {
      edges { cursor node { id itemName } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

const checks = [
  ['Apollo pages through an empty list', pagesThroughNothing],
  ['Apollo asks and changes', asksAndChanges],
  ['Apollo sends 25 queries in batches', batches],
  ['Apollo pages through a full list', pagesThroughAll],
  ['Apollo subscribes over HTTP', () => apolloHears(new HttpLink({ uri }))],
  ['Apollo subscribes over graphql-ws', () => apolloHears(new GraphQLWsLink(sockets()))],
  ['Apollo reports over HTTP what cannot run', apolloReports],
  ['urql asks and changes', urqlAsks],
  ['urql subscribes over HTTP', () => urqlHears([urql.fetchExchange], { fetchSubscriptions: true })],
  ['urql subscribes over graphql-ws', () => urqlHears([urql.fetchExchange, urqlSockets()])],
  ['graphql-codegen: the client preset compiles, and what it made runs', generated],
];
let failed = 0;
for (const [name, check] of checks) {
  try {
    await withPatience(check());
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${error.stack ?? error}`);
  }
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);

function withPatience(promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('nothing comes')), PATIENCE).unref());
  return Promise.race([promise, late]);
}

function sockets() {
  return createClient({ url: uri.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
}

function apollo(link = new HttpLink({ uri })) {
  const cache = new InMemoryCache({ typePolicies: { Query: { fields: { metrics: relayStylePagination(['where']) } } } });
  return new ApolloClient({ link, cache });
}

function metric(item) {
  return {
    sessionHash: 'javascript', contextHash: 'c', startedAt: '2026-01-05T03:00:00', itemPath: 'tests.javascript', itemName: item,
    variantName: item, location: 'tests/javascript.py', kind: 'function', componentName: 'core', totalTime: 1.5, userTime: 1,
    kernelTime: 0.25, cpuUsage: 0.75, memoryUsage: 1,
  };
}

// Subscriptions are not acknowledged: metrics are recorded until one arrives, and then once more.
async function hearing(item, isHeard) {
  const client = apollo();
  for (let number = 0; isHeard() < 2; number += 1) {
    await client.mutate({ mutation: gql(RECORD), variables: { input: metric(`${item}-${number}`) } });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function pages(client, item) {
  const request = { query: PAGE, variables: { item } };
  const query = client.watchQuery(request);
  const subscription = query.subscribe(() => {});
  await client.query(request);
  const fetched = [];
  for (;;) {
    // As in the cache, whose policy turns a missing cursor into "".
    const { metrics } = client.readQuery(request);
    if (fetched.length && !metrics.pageInfo.hasNextPage) {
      subscription.unsubscribe();
      return { metrics, fetched };
    }
    const after = metrics.pageInfo.endCursor;
    fetched.push(after);
    await query.fetchMore({ variables: { after } });
  }
}

async function pagesThroughNothing() {
  const { metrics, fetched } = await pages(apollo(), 'nothing-');
  assert.deepEqual(metrics.edges, []);
  assert.deepEqual(fetched, ['']);
}

async function pagesThroughAll() {
  const client = apollo();
  for (let number = 0; number < 8; number += 1) {
    await client.mutate({ mutation: gql(RECORD), variables: { input: metric(`page-${number}`) } });
  }
  const { metrics } = await pages(client, 'page-');
  assert.deepEqual(metrics.edges.map(({ node }) => node.itemName), [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `page-${n}`));
}

async function asksAndChanges() {
  const client = apollo();
  const { data } = await client.mutate({ mutation: gql(RECORD), variables: { input: metric('asked') } });
  assert.equal(data.recordMetric.metric.itemName, 'asked');
  const query = gql`query { metrics(where: { item: { eq: "asked" } }) { nodes { itemName tags: session { tags { name } } } } }`;
  assert.equal((await client.query({ query })).data.metrics.nodes.length, 1);
  const wrong = client.query({ query: gql`query { metrics { nothing } }` });
  const error = await wrong.then(() => assert.fail('it ran'), (error) => error);
  assert.ok(CombinedGraphQLErrors.is(error), error);
  assert.equal(error.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
}

async function batches() {
  const sizes = [];
  const counting = (input, options) => {
    sizes.push(JSON.parse(options.body).length);
    return fetch(input, options);
  };
  const client = apollo(new BatchHttpLink({ uri, fetch: counting }));
  const queries = Array.from({ length: 25 }, (_, n) => gql(`query { count${n}: metricCount }`));
  const answers = await Promise.all(queries.map((query) => client.query({ query })));
  answers.forEach(({ data }, n) => assert.equal(typeof data[`count${n}`], 'number'));
  assert.deepEqual(sizes, [10, 10, 5]);
}

async function apolloHears(subscribing) {
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, subscribing, new HttpLink({ uri }),
  );
  const item = `apollo-${Math.random()}`;
  const heard = [];
  let failure;
  const observer = { next: ({ data, error }) => heard.push(error ?? data.metricRecorded), error: (error) => (failure = error) };
  const subscription = apollo(link).subscribe({ query: gql(HEARD), variables: { item } }).subscribe(observer);
  await hearing(item, () => {
    if (failure) throw failure;
    return heard.length;
  });
  subscription.unsubscribe();
  for (const metric of heard) {
    assert.ok(metric.itemName?.startsWith(item), String(metric));
    assert.ok(metric.variant.metrics.totalCount >= 1);
  }
}

async function apolloReports() {
  for (const [query, code] of [
    ['subscription { metricRecorded { nothing } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription { metricRecorded(where: { item: { in: [] } }) { id } sessionAnnounced { hash } }', 'GRAPHQL_VALIDATION_FAILED'],
  ]) {
    const error = await new Promise((resolve, reject) => {
      const complete = () => reject(new Error('it ended'));
      apollo().subscribe({ query: gql(query) }).subscribe({ next: ({ error }) => resolve(error), error: resolve, complete });
    });
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.equal(error.errors[0].extensions.code, code);
  }
}

function urqlClient(exchanges = [urql.cacheExchange, urql.fetchExchange], options = {}) {
  return urql.createClient({ url: uri, exchanges, ...options });
}

function urqlSockets() {
  const client = sockets();
  return urql.subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({ unsubscribe: client.subscribe({ query: query ?? '', variables }, sink) }),
    }),
  });
}

async function urqlAsks() {
  const client = urqlClient();
  const recorded = await client.mutation(RECORD, { input: metric('urql') });
  assert.equal(recorded.data?.recordMetric.metric.itemName, 'urql', String(recorded.error));
  const counted = await client.query('{ metricCount(where: { item: { eq: "urql" } }) }', {});
  assert.equal(counted.data?.metricCount, 1, String(counted.error));
  const wrong = await client.query('{ nothing }', {});
  assert.equal(wrong.error.graphQLErrors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
}

async function urqlHears(exchanges, options) {
  const item = `urql-${Math.random()}`;
  const heard = [];
  const events = urqlClient(exchanges, options).subscription(HEARD, { item });
  const { unsubscribe } = events.subscribe(({ data, error }) => heard.push(error ?? data.metricRecorded));
  await hearing(item, () => heard.length);
  unsubscribe();
  for (const metric of heard) assert.ok(metric.itemName?.startsWith(item), String(metric));
}

async function generated() {
  const run = (command, ...rest) => execFileSync(`node_modules/.bin/${command}`, rest, { cwd: folder, stdio: 'pipe', encoding: 'utf8' });
  try {
    run('graphql-codegen', '--config', 'codegen.ts');
    run('tsc');
  } catch ({ stdout, stderr }) {
    throw new Error(stdout + stderr);
  }
  const { Latest, Record, names } = await import('./built/documents.js');
  const client = urqlClient();
  const { data } = await client.mutation(Record, { input: metric('generated') });
  assert.equal(data.recordMetric.metric.itemName, 'generated');
  const latest = await client.query(Latest, { count: 5, where: { item: { eq: 'generated' } } });
  assert.deepEqual(names(latest.data), ['generated'], String(latest.error));
}
