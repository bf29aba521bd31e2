import { addCopyButton } from './copy';
import { byId, element } from './dom';
import { ask } from './graphql';
import overviewQuery from './overview.graphql?raw';
import './style.css';

interface Session {
  hash: string;
  runDate: string | null;
  scmRef: string | null;
  metricCount: number;
  pipeline: { name: string } | null;
  build: { name: string } | null;
}

interface Total {
  totalCount: number;
}

interface Overview {
  sessions: Total & { nodes: Session[] };
  contexts: Total;
  metrics: Total;
  components: Total;
}

const SHORT_HASH = 10;

byId('send-command').textContent = `pytest --remote-server ${remote()}`;
document.querySelectorAll('.command').forEach(addCopyButton);

try {
  const overview = await ask<Overview>(overviewQuery);
  byId('status').hidden = true;
  if (isEmpty(overview)) {
    showEmpty();
  } else {
    showCounts(overview);
    showSessions(overview.sessions);
  }
} catch (error) {
  showFailure(error);
}

/** Where the plugin sends a run; with the place of a token where it needs one. */
function remote(): URL {
  const address = new URL('api/v1', document.baseURI);
  const needsToken = document.documentElement.dataset.access !== 'open';
  byId('send-token').hidden = !needsToken;
  [address.username, address.password] = needsToken ? ['ingest', 'TOKEN'] : ['', ''];
  return address;
}

function isEmpty({ sessions, contexts, metrics }: Overview): boolean {
  return sessions.totalCount + contexts.totalCount + metrics.totalCount === 0;
}

function showEmpty(): void {
  byId('send-title').textContent = 'Nothing stored yet: here is how to send the first run';
}

function showCounts({ sessions, contexts, metrics, components }: Overview): void {
  byId('counts').replaceChildren(
    count('Sessions', sessions),
    count('Execution contexts', contexts),
    count('Metrics', metrics),
    count('Components', components),
  );
  byId('stored').hidden = false;
}

function count(label: string, { totalCount }: Total): HTMLElement {
  return element(
    'div',
    {},
    element('dt', { textContent: label }),
    element('dd', { textContent: number(totalCount) }),
  );
}

function showSessions({ totalCount, nodes }: Overview['sessions']): void {
  byId('sessions').replaceChildren(...nodes.map(row));
  byId('latest-table').hidden = nodes.length === 0;
  byId('latest-note').textContent = latestNote(nodes.length, totalCount);
  byId('latest').hidden = false;
}

function latestNote(shown: number, total: number): string {
  if (shown === 0) return 'No session has been announced yet.';
  if (shown < total) return `The latest ${shown} of ${number(total)}, newest first.`;
  return 'Newest first.';
}

function row({ hash, runDate, scmRef, pipeline, build, metricCount }: Session): HTMLElement {
  return element(
    'tr',
    {},
    element('td', {}, element('code', { title: hash, textContent: hash.slice(0, SHORT_HASH) })),
    element('td', { className: 'date' }, dateText(runDate)),
    element('td', { className: 'name' }, shortScmRef(scmRef)),
    element('td', { className: 'name' }, pipeline?.name || '–'),
    element('td', { className: 'name' }, build?.name || '–'),
    element('td', { className: 'number' }, number(metricCount)),
  );
}

/** Run dates are local times of the machine that ran the tests: shown as sent, never moved to another zone. */
function dateText(runDate: string | null): string {
  return runDate?.replace('T', ' ').replace(/\.\d+/, '') || '–';
}

function shortScmRef(scmRef: string | null): Node | string {
  if (!scmRef) return '–';
  const short = /^[0-9a-f]{40}$/i.test(scmRef) ? scmRef.slice(0, SHORT_HASH) : scmRef;
  return element('code', { title: scmRef, textContent: short });
}

function showFailure(error: unknown): void {
  const status = byId('status');
  status.className = 'status failure';
  status.setAttribute('role', 'alert');
  status.textContent = `The overview could not be read. ${error instanceof Error ? error.message : String(error)}`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
