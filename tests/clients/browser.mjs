// Opens every page of a running Metrograph that holds data, in headless Chromium, and uses it as a person would.
//
//   node tests/clients/browser.mjs http://[NAME:TOKEN@]127.0.0.1:PORT [SCREENSHOT_DIR]
//
// NAME and TOKEN are what a person would type when the browser asks for them.
// Any console error, uncaught error, failed response or request to another host fails the page it happened on.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');

const [address, screenshots] = process.argv.slice(2);
if (!address) {
  console.error('usage: node tests/clients/browser.mjs http://127.0.0.1:PORT [SCREENSHOT_DIR]');
  process.exit(2);
}
const { origin, username, password } = new URL(address);
if (screenshots) mkdirSync(screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});

const checks = [
  ['start page', '/', startPage],
  ['GraphiQL', '/graphiql', graphiql],
  ['GraphiQL, as a browser finds it', '/graphql', graphiql],
  ['REST page', '/api/v1/docs', restPage],
];
let failed = 0;
for (const [name, path, use] of checks) {
  try {
    console.log(`ok    ${path}  ${name}: ${await visit(path, use)}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${path}  ${name}: ${error.message}`);
  }
}
await browser.close();
console.log(`${checks.length - failed} passed, ${failed} failed`);
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
    await page.goto(origin + path, { waitUntil: 'load' });
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
  page.on('requestfailed', (request) => complaints.push(`${request.failure()?.errorText}: ${request.url()}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.host !== new URL(origin).host) {
      complaints.push(`request to another host: ${url}`);
    }
  });
  return complaints;
}

async function takePictures(page, path) {
  if (!screenshots) return;
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
  assert.equal(copied, `pytest --remote-server ${origin}/api/v1`, 'the command copied');

  const links = await page.locator('link[rel=icon], a[href^="/"]').evaluateAll((all) => all.map((link) => link.href));
  for (const link of new Set(links)) {
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
    names.push(await runTab(page, tabs.nth(index)));
  }
  assert.equal(new Set(names).size, number, `every tab has its own operation: ${names}`);

  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-doc-explorer-root-type', { hasText: 'Query' }).waitFor();
  return `${number} example queries answered, the schema explained (${names.join(', ')})`;
}

async function runTab(page, tab) {
  const button = tab.locator('.graphiql-tab-button');
  await button.click();
  // GraphiQL notices only after a moment which operation the tab holds; a click before that runs the previous one.
  await page.waitForFunction(
    (operation) => document.querySelector('.graphiql-query-editor .CodeMirror')?.CodeMirror.operationName === operation,
    await button.textContent(),
  );
  const [response] = await Promise.all([
    page.waitForResponse((candidate) => isOperation(candidate.request())),
    page.locator('.graphiql-execute-button').click(),
  ]);
  const request = response.request().postDataJSON();
  const name = request.operationName;
  assert.match(request.query, /^#/, `${name} says what it answers`);

  const answer = await response.json();
  assert.equal(answer.errors, undefined, `${name}: ${JSON.stringify(answer.errors)}`);
  assert.ok(holdsRows(answer.data), `${name} returns no rows`);

  await page.waitForFunction((expected) => {
    const pane = document.querySelector('.result-window .CodeMirror')?.CodeMirror;
    try {
      return JSON.stringify(JSON.parse(pane.getValue()).data) === expected;
    } catch {
      return false;
    }
  }, JSON.stringify(answer.data));
  return name;
}

function isOperation(request) {
  if (request.method() !== 'POST' || new URL(request.url()).pathname !== '/graphql') return false;
  return request.postDataJSON().operationName !== 'IntrospectionQuery';
}

function holdsRows(value) {
  if (Array.isArray(value)) return value.length > 0;
  return value !== null && typeof value === 'object' && Object.values(value).some(holdsRows);
}

async function restPage(page) {
  const operations = page.locator('.swagger-ui .opblock');
  await operations.first().waitFor();
  return `${await operations.count()} operations listed`;
}
