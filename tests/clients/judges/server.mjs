// Sends documents to a running Metrograph.

/** Codes that refuse a document. Those of variables, of limits and of resolvers don't. */
const REFUSED = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED'];
/** Codes that no document of ours may lead to. */
const DISTURBED = ['LIMIT_EXCEEDED', 'INTERNAL', 'TIMEOUT', 'BUSY', 'DATABASE_UNAVAILABLE'];
const BATCH = 50;
const STREAMS = 100;
/** Milliseconds after the last message of a group: a refused one has its response by then. */
const SETTLED = 300;

const post = (address, body, accept, signal) =>
  fetch(new URL('/graphql', address), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify(body),
    signal,
  });

/** The answer to one request, as it was sent. */
export async function send(address, request) {
  return (await post(address, request, 'application/json')).text();
}

/** What an answer says of its document. */
export function verdict(answer) {
  const errors = answer.errors ?? [];
  const of = (codes) => errors.filter((error) => codes.includes(error.extensions?.code));
  const [disturbed] = of(DISTURBED);
  if (disturbed) return { accepted: undefined, reason: `${disturbed.extensions.code}: ${disturbed.message}` };
  const refused = of(REFUSED);
  return { accepted: refused.length === 0, reason: (refused.length ? refused : errors).map((error) => error.message).join('; ') };
}

/** The verdicts on requests, of which subscriptions are asked one by one. */
export async function ask(address, requests) {
  const verdicts = new Map();
  const groups = (all, size) =>
    Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size));
  for (const group of groups(
    requests.filter((request) => !request.streams),
    BATCH,
  )) {
    const response = await post(
      address,
      group.map(({ query, operationName }) => ({ query, operationName })),
      'application/graphql-response+json',
    );
    const answers = await response.json();
    if (!Array.isArray(answers) || answers.length !== group.length)
      throw new Error(`a batch was not answered: ${JSON.stringify(answers).slice(0, 500)}`);
    group.forEach((request, index) => verdicts.set(request, verdict(answers[index])));
  }
  for (const group of groups(
    requests.filter((request) => request.streams),
    STREAMS,
  )) {
    const heard = await listen(address, group);
    group.forEach((request, index) => verdicts.set(request, heard[index]));
  }
  return requests.map((request) => verdicts.get(request));
}

/** The verdicts on subscriptions: what is not refused by the time that another one, begun later, has heard an event is accepted. */
async function listen(address, requests) {
  const leave = new AbortController();
  const heard = requests.map(() => ({ accepted: true, reason: 'it listens' }));
  const begun = requests.map(async ({ query, operationName }, index) => {
    const response = await post(address, { query, operationName }, 'text/event-stream', leave.signal);
    const hear = async () => {
      const event = await firstEvent(response);
      heard[index] = event === undefined ? { accepted: undefined, reason: 'it ended without an event' } : verdict(event);
    };
    return {
      done: hear().catch((error) => {
        if (!leave.signal.aborted) throw error;
      }),
    };
  });
  const listening = await Promise.all(begun);
  const last = await post(
    address,
    { query: 'subscription { runProgress(session: "none") { testsSeen } }' },
    'text/event-stream',
    leave.signal,
  );
  await firstEvent(last);
  await new Promise((resolve) => {
    setTimeout(resolve, SETTLED);
  });
  leave.abort();
  await Promise.all(listening.map(({ done }) => done));
  return heard;
}

/** The first answer of a stream, or the answer in place of one; undefined when it ends without. */
async function firstEvent(response) {
  if (!response.headers.get('content-type').startsWith('text/event-stream')) return response.json();
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const event = /^event: next\ndata: (.*)\n\n/m.exec(text);
    if (event) return JSON.parse(event[1]);
  }
  return undefined;
}
