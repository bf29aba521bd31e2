import { defineConfig } from 'vite';

const server = 'http://127.0.0.1:8181';

export default defineConfig({
  // Pages say where they are found, so that they can be served below a prefix.
  base: './',
  build: {
    license: { fileName: 'assets/licenses.md' },
    // Its wrapper exists for browsers older than those the build targets.
    modulePreload: { polyfill: false },
    // GraphiQL's own code is one chunk of 750 kB.
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      input: ['index.html', 'graphiql.html'],
      // "use client" in React libraries means nothing to a bundle for browsers.
      checks: { moduleLevelDirective: false },
    },
  },
  server: {
    proxy: { '/graphql': { target: server, ws: true }, '/api': server },
  },
});
