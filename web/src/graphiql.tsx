import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import { createRoot } from 'react-dom/client';

import './graphiql.css';
import { accept, endpoint } from './graphql';

const examples = import.meta.glob<string>('../examples/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

const defaultTabs = Object.keys(examples)
  .sort()
  .map((path) => ({ query: examples[path] ?? '' }));

const fetcher = createGraphiQLFetcher({
  url: endpoint,
  headers: { accept },
  enableIncrementalDelivery: false,
});

createRoot(document.getElementById('graphiql')!).render(
  <GraphiQL fetcher={fetcher} defaultTabs={defaultTabs}>
    <GraphiQL.Logo>
      <a href="/">Metrograph</a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
