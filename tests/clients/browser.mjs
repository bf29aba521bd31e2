// Opens every page of a running Metrograph that has data in headless Chromium, and uses it as a person would.
//
//   READ=TOKEN INGEST=TOKEN node tests/clients/browser.mjs http://[NAME:TOKEN@]127.0.0.1:PORT[/PREFIX] [SCREENSHOT_DIR]
//
// NAME and TOKEN are what a person would type when the browser asks for them; READ and INGEST, tokens of these scopes. With
// NAMES=name;… only these checks are made. Any console error, uncaught error, failed response or request elsewhere, to another
// host or outside the prefix, fails the page it happened on.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');

const [address, screenshots] = process.argv.slice(2);
const { READ, INGEST, NAMES } = process.env;
if (!address || !READ || !INGEST) {
  console.error('usage: READ=TOKEN INGEST=TOKEN node tests/clients/browser.mjs http://127.0.0.1:PORT[/PREFIX] [SCREENSHOT_DIR]');
  process.exit(2);
}
const { origin, pathname, username, password } = new URL(address);
const root = origin + pathname.replace(/\/$/, '');
if (screenshots) mkdirSync(screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});

const LINKED = {
  query: 'query Few($count: Int!) { metrics(last: $count) { nodes { itemName } } }\nquery Many { metricCount }',
  variables: JSON.stringify({ count: 2 }),
  operationName: 'Few',
};
const TWO = `query First { metricCount }
query Second($count: Int) { metrics(last: $count) { nodes { itemName } } }`;
const LIVE = 'subscription Live { metricRecorded { itemName } }';

const checks = [
  ['start page', '/', startPage],
  ['GraphiQL', '/graphiql', graphiql],
  ['GraphiQL, as a browser finds it', '/graphql', graphiql],
  ['GraphiQL, opened by a link', `/graphiql?${new URLSearchParams(LINKED)}`, linked],
  ['GraphiQL, with two operations in a tab', `/graphiql?${new URLSearchParams({ query: TWO })}`, twoOperations],
  ['GraphiQL, with a token among its headers', `/graphiql?${new URLSearchParams({ query: LIVE })}`, withToken],
  ['GraphiQL, at an address that ends in a slash', `/graphiql/?${new URLSearchParams(LINKED)}`, linked],
  ['REST page', '/api/v1/docs', restPage],
  ['REST page, at an address that ends in a slash', '/api/v1/docs/', restPage],
  ['REST page of v2', '/api/v2/docs', (page) => restPage(page, 'v2', 'metric_count')],
];
const chosen = NAMES ? checks.filter(([name]) => NAMES.split(';').includes(name)) : checks;
let failed = 0;
for (const [name, path, use] of chosen) {
  const [page] = path.split('?');
  try {
    console.log(`ok    ${page}  ${name}: ${await visit(path, use)}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${page}  ${name}: ${error.message}`);
  }
}
await browser.close();
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

async function visit(path, use) {
  // A context of its own: GraphiQL keeps its tabs in the browser's storage.
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    ...(password && { httpCredentials: { username, password } }),
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = listen(page);
  try {
    await page.goto(root + path, { waitUntil: 'load' });
    const summary = await use(page).catch((error) => {
      throw new Error([error.message, ...complaints].join('\n      '));
    });
    await takePictures(page, path);
    // What was in flight may still fail.
    await page.waitForLoadState('networkidle');
    assert.deepEqual(complaints, [], `the page complains:\n      ${complaints.join('\n      ')}`);
    return summary;
  } finally {
    await context.close();
  }
}

function listen(page) {
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console error: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} from ${response.url()}`);
  });
  page.on('requestfailed', (request) => {
    if (!isLive(request)) complaints.push(`${request.failure()?.errorText}: ${request.url()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && !url.href.replace(/^ws/, 'http').startsWith(`${root}/`)) {
      complaints.push(`request elsewhere: ${url}`);
    }
  });
  return complaints;
}

async function takePictures(page, path) {
  if (!screenshots || path.includes('?')) return;
  const name = path.replaceAll('/', '-').slice(1) || 'start';
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`), fullPage: path === '/' });
  }
}

async function startPage(page) {
  const status = page.locator('#status');
  await page.waitForFunction(() => document.querySelector('#status:is([hidden], .failure)'));
  assert.equal(await status.isVisible(), false, await status.textContent());
  await page.locator('#sessions tr').first().waitFor();

  const counts = await page.locator('#counts > div').evaluateAll((boxes) =>
    boxes.map((box) => [box.querySelector('dt').textContent, box.querySelector('dd').textContent]),
  );
  assert.equal(counts.length, 4, 'four counts');
  for (const [label, count] of counts) assert.match(count, /^\d[\d,]*$/, `the count of ${label}`);

  const sessions = await page.locator('#sessions tr').count();
  const first = await page.locator('#sessions tr').first().locator('td').allTextContents();
  assert.match(first[0], /^\S+$/, 'a session shows its hash');
  assert.match(first[1], /^\d{4}-\d{2}-\d{2}/, 'a session shows its run date');
  assert.match(first.at(-1), /^\d[\d,]*$/, 'a session shows its number of metrics');

  const command = page.locator('.command', { hasText: '--remote-server' });
  await command.getByRole('button').click();
  await command.getByText('Copied').waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const remote = password ? root.replace('://', '://ingest:TOKEN@') : root;
  assert.equal(copied, `pytest --remote-server ${remote}/api/v1`, 'the command copied');
  assert.equal(await page.getByText('metrograph token create').isVisible(), Boolean(password), 'it says where a token is from');

  const links = await page.locator('link[rel=icon], a:not([href*="://"])').evaluateAll((all) => all.map((link) => link.href));
  assert.ok(links.length >= 5, `${links.length} links`);
  for (const link of new Set(links)) {
    assert.ok(link.startsWith(`${root}/`), link);
    assert.equal((await page.request.get(link)).status(), 200, `${link} answers`);
  }
  return `${counts.map((count) => count.reverse().join(' ')).join(', ')}; ${sessions} sessions listed`;
}

async function graphiql(page) {
  const tabs = page.locator('.graphiql-tab');
  await tabs.first().waitFor();
  const number = await tabs.count();
  assert.ok(number >= 5, `${number} example queries`);

  const names = [];
  for (let index = 0; index < number; index += 1) {
    await choose(page, tabs.nth(index));
    const lasts = /^subscription/m.test(await query(page));
    names.push(lasts ? (await subscribe(page)).postDataJSON().operationName : await runTab(page));
  }
  assert.equal(new Set(names).size, number, `every tab has its own operation: ${names}`);

  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-doc-explorer-root-type', { hasText: 'Query' }).waitFor();
  return `${number} example queries answered, the schema explained (${names.join(', ')})`;
}

async function choose(page, tab) {
  const button = tab.locator('.graphiql-tab-button');
  await button.click();
  // GraphiQL notices only after a moment which operation the tab holds; a click before that runs the previous one.
  await page.waitForFunction(
    (operation) => document.querySelector('.graphiql-query-editor .CodeMirror')?.CodeMirror.operationName === operation,
    await button.textContent(),
  );
}

async function query(page) {
  await page.locator('.graphiql-query-editor .CodeMirror').waitFor();
  return page.evaluate(() => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.getValue());
}

async function run(page) {
  const [response] = await Promise.all([
    page.waitForResponse((candidate) => isOperation(candidate.request())),
    page.locator('.graphiql-execute-button').click(),
  ]);
  return response;
}

async function runTab(page) {
  const response = await run(page);
  const request = response.request().postDataJSON();
  const name = request.operationName;
  assert.match(request.query, /^#/, `${name} says what it answers`);

  const answer = await response.json();
  assert.equal(answer.errors, undefined, `${name}: ${JSON.stringify(answer.errors)}`);
  assert.ok(holdsRows(answer.data), `${name} returns no rows`);
  await shown(page, answer.data);
  return name;
}

// The text of the result pane, once it has these data.
function shown(page, data) {
  return page.waitForFunction((expected) => {
    const pane = document.querySelector('.result-window .CodeMirror')?.CodeMirror;
    try {
      return JSON.stringify(JSON.parse(pane.getValue()).data) === expected;
    } catch {
      return false;
    }
  }, JSON.stringify(data));
}

// Runs a subscription until a metric arrives, and stops it.
async function subscribe(page) {
  const response = await run(page);
  assert.equal(response.status(), 200);
  assert.match(response.headers()['content-type'], /^text\/event-stream/);
  const item = `browser-${Math.random()}`;
  const result = page.locator('.result-window');
  // A subscription is not acknowledged: metrics are recorded until one arrives.
  do await record(item);
  while (!(await result.getByText(item).first().waitFor({ timeout: 500 }).then(() => true, () => false)));
  await Promise.all([page.waitForEvent('requestfailed', isLive), page.locator('.graphiql-execute-button').click()]);
  return response.request();
}

async function record(item) {
  const metric = {
    session_h: 'browser', context_h: 'c', item_start_time: '2026-01-05T03:00:00', item_path: 'tests.browser', item,
    item_variant: item, item_fs_loc: 'tests/browser.py', kind: 'function', component: 'core', total_time: 1.5,
    user_time: 1, kernel_time: 0.25, cpu_usage: 0.75, mem_usage: 1,
  };
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${INGEST}` };
  const reply = await fetch(`${root}/api/v1/metrics/`, { method: 'POST', headers, body: JSON.stringify(metric) });
  assert.equal(reply.status, 201);
}

async function linked(page) {
  await page.locator('.graphiql-tab').first().waitFor();
  assert.equal(await query(page), LINKED.query);
  const few = await (await run(page)).json();
  assert.equal(few.data.metrics.nodes.length, 2);
  await shown(page, few.data);
  // The name was meant for the first run: now a person chooses.
  const many = await runOneOf(page, 'Many');
  assert.ok(many.metricCount > 0);
  return 'its query, variables and operation are there';
}

function appears(element) {
  return element.waitFor({ timeout: 3_000 }).then(
    () => true,
    () => false,
  );
}

// Chooses one of several operations in a tab.
async function runOneOf(page, name) {
  // Before GraphiQL has noticed that there are several, a click runs one of them.
  await page.waitForFunction(
    () => document.querySelector('.graphiql-query-editor .CodeMirror')?.CodeMirror.operations?.length > 1,
  );
  // The schema and the last answer close the menu when they arrive.
  await page.waitForLoadState('networkidle');
  const item = page.getByRole('menuitem', { name });
  await page.locator('.graphiql-execute-button').click();
  if (!(await appears(item))) await page.locator('.graphiql-execute-button').click();
  const [response] = await Promise.all([
    page.waitForResponse((candidate) => isOperation(candidate.request())),
    item.click(),
  ]);
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, `${name}: ${JSON.stringify(errors)}`);
  await shown(page, data);
  return data;
}

async function twoOperations(page) {
  assert.equal(await query(page), TWO);
  assert.ok((await runOneOf(page, 'First')).metricCount > 0);
  assert.ok(holdsRows(await runOneOf(page, 'Second')));
  return 'each of them runs by itself';
}

async function withToken(page) {
  await page.locator('.graphiql-tab').first().waitFor();
  assert.equal(await query(page), LIVE);
  await page.getByRole('button', { name: 'Headers' }).click();
  await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror').click();
  await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${READ}` }));
  const request = await subscribe(page);
  assert.equal(request.headers().authorization, `Bearer ${READ}`);
  return 'a subscription takes it along';
}

// A subscription that goes on until it is given up.
function isLive(request) {
  return isOperation(request) && request.headers().accept === 'text/event-stream';
}

function isOperation(request) {
  if (request.method() !== 'POST' || request.url() !== `${root}/graphql`) return false;
  return request.postDataJSON().operationName !== 'IntrospectionQuery';
}

function holdsRows(value) {
  if (Array.isArray(value)) return value.length > 0;
  return value !== null && typeof value === 'object' && Object.values(value).some(holdsRows);
}

async function restPage(page, api = 'v1', member = 'count') {
  const operations = page.locator('.swagger-ui .opblock');
  await operations.first().waitFor();
  const number = await operations.count();
  // Tried out as a person would.
  const path = `/api/${api}/metrics/count`;
  const one = page.locator('.opblock-get', { has: page.locator(`[data-path="${path}"]`) });
  await one.locator('.opblock-summary-control').click();
  await one.getByRole('button', { name: 'Try it out' }).click();
  const [response] = await Promise.all([
    page.waitForResponse((candidate) => candidate.url().endsWith(path)),
    one.getByRole('button', { name: 'Execute' }).click(),
  ]);
  // Without arguments: those that are optional have no examples, and are not sent.
  assert.equal(response.url(), `${root}${path}`);
  assert.ok((await response.json())[member] > 0);
  await one.locator('.curl-command', { hasText: response.url() }).waitFor();
  return `${number} operations listed, one tried out`;
}
