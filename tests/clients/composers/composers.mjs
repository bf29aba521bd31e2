// Composes the schema with another subgraph, as the gateways of Apollo and of The Guild do.
//
//   metrograph schema | node composers.mjs
//
// The schema is composed as it is (Federation 1) and with a Federation 2 link in front of it; its types must be reachable through
// the supergraph, and its own directive must not affect fields of other subgraphs.

import { readFileSync } from 'node:fs';
import apollo from '@apollo/composition';
import * as guild from '@theguild/federation-composition';
import { parse } from 'graphql';

const composers = { Apollo: apollo.composeServices, 'The Guild': guild.composeServices };
const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@requires", "@external", "@shareable"])\n';
const other = `${link}
  type Query { team(name: String!): Team }
  type Team @key(fields: "name") { name: String! size: Int! @external label: String! @requires(fields: "size") }
`;
const third = `${link} type Query { ping: Boolean } type Team @key(fields: "name") { name: String! size: Int! }`;

const schema = readFileSync(0, 'utf8');
const expected = ['type Metric', 'type Session', 'interface Node', 'runProgress(', 'announceSession(', 'type Team'];
let failed = 0;
for (const [composer, compose] of Object.entries(composers)) {
  for (const [edition, head] of [['1', ''], ['2', link]]) {
    const services = [['metrograph', head + schema], ['teams', other], ['sizes', third]];
    const typed = services.map(([name, text]) => ({ name, url: `http://${name}.example/graphql`, typeDefs: parse(text) }));
    const { errors = [], supergraphSdl = '' } = compose(typed);
    const missing = expected.filter((part) => !supergraphSdl.includes(part));
    const problems = [...errors.map((error) => error.message), ...missing.map((part) => `the supergraph has no ${part}`)];
    for (const problem of problems) console.log(`FAIL  ${composer}, Federation ${edition}: ${problem}`);
    if (!problems.length) console.log(`${composer}, Federation ${edition}: composed`);
    failed += problems.length;
  }
}
process.exitCode = failed ? 1 : 0;
