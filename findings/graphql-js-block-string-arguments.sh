#!/usr/bin/env bash
# graphql 17.1.0 (npm): "a" and """a""" are differing arguments.
#
# Behaviour: the rule OverlappingFieldsCanBeMerged compares arguments by how they print, and a string prints as it was
# written. `{ f(x: "a") f(x: """a""") }` is refused: 'Fields "f" conflict because they have differing arguments.'
# Seen: refused, although both arguments have the value "a"; also when the two are in different fragments.
#
# Why a good guess is wrong: the specification (String Value) calls a block string another way to write a string, and the value
# is the same. The comparison isn't a comparison of source text either: "a" and "\u0061" count as the same, two
# block strings with different indentation do, and input objects with their fields in another order do.
#
# For a project: a server that compares values accepts documents that graphql-js and its clients refuse. Write a string in one form.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo '{ "private": true, "type": "module" }' >package.json
npm install --silent --no-audit --no-fund --save-exact graphql@17.1.0

cat >probe.mjs <<'JS'
import { OverlappingFieldsCanBeMergedRule, buildSchema, execute, parse, validate } from 'graphql';

const schema = buildSchema('input Pair { a: Int, b: Int } type Query { f(x: String, pair: Pair): String }');
const conflict =
  'Fields "f" conflict because they have differing arguments. ' +
  'Use different aliases on the fields to fetch both if this was intentional.';
const block = (text) => '"""' + text + '"""';
const documents = [
  ['{ f(x: "a") f(x: "a") }', []],
  ['{ f(x: "a") f(x: "\\u0061") }', []],
  [`{ f(x: ${block('a')}) f(x: ${block('\n    a\n')}) }`, []],
  ['{ f(pair: {a: 1, b: 2}) f(pair: {b: 2, a: 1}) }', []],
  [`{ f(x: "a") f(x: ${block('a')}) }`, [conflict]],
  [`{ f(x: "a") ...More } fragment More on Query { f(x: ${block('a')}) }`, [conflict]],
];

let changed = false;
for (const [text, expected] of documents) {
  const seen = validate(schema, parse(text), [OverlappingFieldsCanBeMergedRule]).map((error) => error.message);
  console.log(JSON.stringify(text), '->', seen.length === 0 ? 'accepted' : seen.join(' '));
  changed ||= JSON.stringify(seen) !== JSON.stringify(expected);
}

// The two arguments reach the resolver as the same value.
const received = [];
const rootValue = { f: ({ x }) => received.push(x) };
await execute({ schema, rootValue, document: parse(`{ one: f(x: "a") other: f(x: ${block('a')}) }`) });
console.log('Values that the resolver receives:', JSON.stringify(received));
changed ||= JSON.stringify(received) !== '["a","a"]';

if (changed) {
  console.error('CHANGED: graphql no longer compares the two forms of a string as described');
  process.exit(1);
}
console.log('As described: two forms of one string are differing arguments.');
JS
node probe.mjs
