import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from '@graphiql/toolkit';
import { GraphiQL, type GraphiQLProps } from 'graphiql';
import 'graphiql/style.css';
import { type ExecutionResult, getOperationAST } from 'graphql';
import { createClient, NetworkError } from 'graphql-sse';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

import './graphiql.css';
import { accept, endpoint } from './graphql';

const examples = import.meta.glob<string>(['../questions/*.graphql', '../examples/*.graphql'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

const ask = createGraphiQLFetcher({
  url: endpoint,
  headers: { accept },
  enableIncrementalDelivery: false,
});

const fetcher: Fetcher = (params, options) => {
  const operation = options?.documentAST && getOperationAST(options.documentAST, params.operationName);
  return operation?.operation === 'subscription' ? listen(params, options?.headers) : ask(params, options);
};

/** Subscribes with events: unlike a socket, they take the headers that were typed, and credentials that the browser knows. */
function listen({ query, variables, operationName }: FetcherParams, headers: Record<string, string> = {}) {
  const client = createClient({ url: endpoint, headers, retryAttempts: 0 });
  const answers = client.iterate({ query, variables, operationName: operationName ?? undefined });
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => answers.next().catch(explain),
      return: () => answers.return?.() ?? Promise.resolve({ value: undefined, done: true as const }),
    }),
  } as AsyncIterable<ExecutionResult>;
}

/** A refusal says why in its body. */
async function explain(error: unknown): Promise<never> {
  const answer = error instanceof NetworkError ? await error.response?.json?.().catch(() => undefined) : undefined;
  throw answer?.errors ?? error;
}

const address = new URLSearchParams(location.search);
const asked = {
  query: address.get('query') ?? undefined,
  variables: address.get('variables') ?? undefined,
};

const tabs = Object.keys(examples)
  .sort()
  .map((path) => ({ query: examples[path] ?? '' }));
const defaultTabs = asked.query === undefined ? tabs : [{ ...asked, query: asked.query }, ...tabs];

function Page() {
  const [operationName, setOperationName] = useState(address.get('operationName') ?? undefined);
  // It would count in every tab, and for every run: from the first answer on, a person chooses.
  const forget: GraphiQLProps['onTabChange'] = ({ tabs, activeTabIndex }) => {
    const tab = tabs[activeTabIndex];
    if (tab?.query !== asked.query || tab?.response) setOperationName(undefined);
  };
  return (
    <GraphiQL fetcher={fetcher} defaultTabs={defaultTabs} {...asked} operationName={operationName} onTabChange={forget}>
      <GraphiQL.Logo>
        <a href="./">Metrograph</a>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

createRoot(document.getElementById('graphiql')!).render(<Page />);
