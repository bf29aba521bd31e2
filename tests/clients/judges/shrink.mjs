// Shrinks a document as long as it shows the same difference.

import { parse, print, visit } from 'graphql';

const MOST_ROUNDS = 40;
const MOST_TOGETHER = 100;
const REMOVABLE = [
  'Field',
  'FragmentSpread',
  'InlineFragment',
  'Argument',
  'ObjectField',
  'Directive',
  'VariableDefinition',
  'OperationDefinition',
  'FragmentDefinition',
];

/** Documents with one thing less: a node, or where nothing is found in what remains, a stretch of signs. */
function* smaller(query) {
  yield* withoutNode(query);
  for (let length = Math.floor(query.length / 2); length >= 1; length = Math.floor(length / 2)) {
    for (let at = 0; at < query.length; at += length) yield (query.slice(0, at) + query.slice(at + length)).toWellFormed();
  }
}

function* withoutNode(query) {
  let document;
  try {
    document = parse(query, { noLocation: true });
  } catch {
    return;
  }
  const nodes = [];
  visit(document, {
    enter: (node) => {
      if (REMOVABLE.includes(node.kind)) nodes.push(node);
    },
  });
  for (const gone of nodes) {
    const rest = visit(document, {
      enter: (node) => (node === gone ? null : undefined),
      // What has lost all of its selections goes, too.
      leave: (node) => (node.selectionSet?.selections.length === 0 ? null : undefined),
    });
    if (rest.definitions.length) yield print(rest);
  }
}

/** Smaller and smaller forms of what was found. `check` tells of several documents in which of them the same is found. */
export async function shrink(found, check) {
  let least = found;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const candidates = [...new Set(smaller(least.one.query))].filter((query) => query.trim()).slice(0, MOST_TOGETHER);
    const smallest = (await check(candidates)).filter(Boolean).sort((one, other) => one.one.query.length - other.one.query.length)[0];
    if (!smallest || smallest.one.query.length >= least.one.query.length) return least;
    least = smallest;
  }
  return least;
}
