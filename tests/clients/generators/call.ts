// Calls a running Metrograph with the types that openapi-typescript generates. `API` is the module with them.
//
//   node call.js http://127.0.0.1:PORT HASH

import createClient from 'openapi-fetch';
import type { components, paths } from 'API';

const [address, hash] = process.argv.slice(2);
if (!address || !hash) throw new Error('usage: node call.js ADDRESS HASH');
const client = createClient<paths>({ baseUrl: address });

function expect(what: string, got: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(got), JSON.stringify(expected)];
  console.log(one === other ? `ok    ${what}` : `FAIL  ${what}: got ${one}, expected ${other}`);
  if (one !== other) process.exitCode = 1;
}

const session: components['schemas']['CreateSessionRequest'] = {
  session_h: hash,
  run_date: '2026-01-05T03:00:00',
  scm_ref: null,
  description: { pipeline_branch: 'main', 'python-version': 3.12, nightly: true, note: null },
};
const created = await client.POST('/api/v1/sessions/', { body: session });
expect('a session with tags is stored', created.response.status, 201);

const found = await client.GET('/api/v1/sessions/{prefix}', {
  params: { path: { prefix: hash }, query: { with_flags: ['python-version', 'nightly'], method: 'match_all', page: 1 } },
});
const tags: { name: string; value: string }[] | undefined = found.data?.sessions[0]?.tags;
expect('its tags are read back', tags?.map(({ name, value }) => `${name}=${value}`), [
  'pipeline_branch=main', 'python-version=3.12', 'nightly=true', 'note=',
]);

const head = await client.GET('/api/v1/resources/{resource}/head/{n}/metrics', {
  params: { path: { resource: 'total_time', n: 3 } },
});
const metrics: components['schemas']['MetricV1'][] | undefined = head.data?.metrics;
const next: string | null | undefined = head.data?.next_url;
expect('a ranking is read', [metrics?.length, next], [0, null]);

const missing = await client.GET('/api/v1/metrics/', { params: { query: { page: 7 } } });
const message: string | undefined = missing.error?.message;
expect('an error says what is wrong', [missing.response.status, typeof message], [404, 'string']);
