// Compares validation: a running Metrograph accepts exactly the documents that npm's graphql parses and finds valid.
//
//   node acceptance.mjs http://127.0.0.1:PORT schema.graphql [COUNT]
//
// SEED in the environment repeats the documents of an earlier run.

import { print } from 'graphql';

import { parse, readSchema, validate } from './edition.mjs';
import { Maker } from './maker.mjs';
import { spoil } from './mutations.mjs';
import { Random, seed } from './random.mjs';
import { ask } from './server.mjs';
import { shrink } from './shrink.mjs';
import { described, garbled, respelled } from './spelling.mjs';
import { Spoiler } from './spoiler.mjs';
import { Values } from './values.mjs';
import { WRITTEN } from './written.mjs';

const SHOWN = 12;
/** Of all documents made, at least so many must be of either kind, or the judge judges nothing. */
const LEAST_OF_EITHER = 0.35;

const [address, schemaFile, count = '3000'] = process.argv.slice(2);
if (!schemaFile) {
  console.error('usage: node acceptance.mjs http://127.0.0.1:PORT schema.graphql [COUNT]');
  process.exit(2);
}

const schema = readSchema(schemaFile);

/** What npm's graphql says of a document. */
function judge(query) {
  let document;
  try {
    document = parse(query);
  } catch (error) {
    return { accepted: false, reason: error.message };
  }
  const errors = validate(schema, document);
  return { accepted: errors.length === 0, reason: errors.map((error) => error.message).join('; '), document };
}

/** A document as a request for the first of its operations. */
function request(query, origin) {
  const theirs = judge(query);
  const operations = theirs.document?.definitions.filter(({ kind }) => kind === 'OperationDefinition') ?? [];
  const [first] = operations;
  return {
    query,
    origin,
    theirs,
    operationName: operations.length > 1 ? first.name?.value : undefined,
    streams: first?.operation === 'subscription',
  };
}

function made(random, count) {
  const values = new Values(random, schema);
  const maker = new Maker(random, schema, values);
  const kinds = () =>
    random.pick([
      ...Array(12).fill(['query']),
      ...Array(3).fill(['mutation']),
      ...Array(2).fill(['subscription']),
      ['query', 'query'],
      ['query', 'mutation', 'subscription'],
    ]);
  return Array.from({ length: count }, (_, index) => {
    const document = maker.document(...kinds());
    if (index % 2 === 0) {
      const spelled = respelled(print(document), random);
      return request(random.chance(0.1) ? described(spelled, random) : spelled, 'made');
    }
    if (random.chance(0.12)) return request(garbled(print(document), random), 'garbled');
    const spoiler = new Spoiler(random, schema, document, values);
    const ways = [spoil(spoiler), ...(random.chance(0.15) ? [spoil(spoiler)] : [])];
    return request(respelled(print(spoiler.document), random), ways.join(' and '));
  });
}

const differs = ({ theirs }, ours) => ours.accepted !== theirs.accepted;
const word = ({ accepted }) => ({ true: 'accepted', false: 'refused' })[accepted] ?? 'neither';
const says = (verdict) => `${word(verdict)}${verdict.reason && ` (${verdict.reason.slice(0, 500)})`}`;

/** What is alike in differences of one kind: the two verdicts, and why one of them is no acceptance, whatever names that holds. */
function kind({ theirs }, ours) {
  const general = ({ reason }) =>
    reason
      .trim()
      .split('\n')
      .at(-1)
      .split('; ')[0]
      .replace(/"[^"]*"|'[^']*'|`[^`]*`|\$\w+|\d+/g, '…')
      .replace(/(subfields … conflict because )+/, '$1')
      .trim();
  const described = (verdict) => `${word(verdict)}${verdict.accepted ? '' : ` (${general(verdict)})`}`;
  return `${described(ours)} in place of ${described(theirs)}`;
}

const chosen = seed();
console.log(`seed ${chosen}`);
const written = Object.entries(WRITTEN).flatMap(([section, documents]) => documents.map((query) => request(query, section)));
const all = [...written, ...made(new Random(chosen), Number(count))];
const verdicts = await ask(address, all);
const different = new Map();
all.forEach((one, index) => {
  const ours = verdicts[index];
  if (!differs(one, ours)) return;
  const key = kind(one, ours);
  different.set(key, [...(different.get(key) ?? []), { one, ours }]);
});

let shown = 0;
for (const [key, found] of [...different].sort(([, one], [, other]) => other.length - one.length)) {
  let [least] = found.toSorted((one, other) => one.one.query.length - other.one.query.length);
  if (++shown <= SHOWN) {
    const { origin } = least.one;
    const reasons = ({ theirs }) => theirs.reason.split('; ').length;
    least = await shrink(least, async (queries) => {
      const smaller = queries.map((query) => request(query, origin));
      const ours = await ask(address, smaller);
      const isSame = (one, verdict) => differs(one, verdict) && kind(one, verdict) === key && reasons(one) <= reasons(least.one);
      return smaller.map((one, index) => isSame(one, ours[index]) && { one, ours: ours[index] });
    });
  }
  const { query, origin, theirs } = least.one;
  console.log(`FAIL  ${found.length} × ${key}\n${query.trim()}\n  (${origin})`);
  console.log(`  Metrograph: ${says(least.ours)}\n  graphql-js: ${says(theirs)}`);
}

const accepted = all.slice(written.length).filter(({ theirs }) => theirs.accepted).length;
const share = accepted / Number(count);
console.log(`${written.length} written documents, ${accepted} made ones to be accepted, ${Number(count) - accepted} to be refused`);
const isBalanced = share >= LEAST_OF_EITHER && share <= 1 - LEAST_OF_EITHER;
if (!isBalanced) console.log('FAIL  too few documents of either kind were made');
const failed = [...different.values()].flat().length + (isBalanced ? 0 : 1);
console.log(`${all.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
