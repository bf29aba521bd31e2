// Runs npm's graphql-http audits of GraphQL over HTTP against a running Metrograph.
//
//   node audits.mjs http://127.0.0.1:PORT
//
// Every audit must pass: MUST, SHOULD and MAY.

import { auditServer } from 'graphql-http';

const AUDITS = 61;

const [address] = process.argv.slice(2);
if (!address) {
  console.error('usage: node audits.mjs http://127.0.0.1:PORT');
  process.exit(2);
}

const results = await auditServer({ url: new URL('/graphql', address).href });
const unmet = results.filter((result) => result.status !== 'ok');
for (const { id, name, status, reason, response } of unmet) {
  console.log(`FAIL  ${id}  ${name}: ${status}, ${reason} (answered ${response?.status})`);
}
console.log(`${results.length - unmet.length} audits passed, ${unmet.length} failed`);
if (results.length < AUDITS) console.log(`FAIL  ${AUDITS} audits were expected`);
process.exitCode = unmet.length || results.length < AUDITS ? 1 : 0;
