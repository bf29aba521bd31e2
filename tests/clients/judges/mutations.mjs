// Makes documents invalid, in one way or more for each rule of section 5 of the specification (September 2025).
//
// Each takes a Spoiler, changes its document, and returns false if there is nothing to change.

import { getNamedType, isEnumType, isNonNullType, isObjectType, print, visit } from 'graphql';

import * as make from './nodes.mjs';
import { DIRECTED, VALUES, isOwn, parts, retyped, wrong } from './spoiler.mjs';

const CONDITION = make.bool(true);

/** A way that changes one site; `change` may refuse. */
const at = (kinds, change, suits) => (spoiler) => {
  const site = spoiler.site(kinds, suits && ((site) => suits(site, spoiler)));
  return site ? change(site, spoiler) : false;
};
const isJudged = ({ wanted }) => wanted && !isOwn(wanted);
const replace = (site, by) => void (site.parent[site.key] = by);

/** Two selections of one key, at one place or below two that merge. */
function clash({ within, node }, spoiler, wrap) {
  const [one, other] = [spoiler.leaf(within), spoiler.leaf(within)];
  if (!one) return false;
  const pair = [make.field(one, { alias: 'same' }), make.field(other, { alias: 'same' })];
  node.selections.push(...wrap(pair, within, spoiler));
  return undefined;
}

/** Selections on two types that never meet, under one key. */
function apart(spoiler, [one, oneField], [other, otherField]) {
  const query = spoiler.operation((node) => node.operation === 'query');
  if (!query) return false;
  const selections = [
    [one, oneField],
    [other, otherField],
  ].flatMap(([on, inner]) => parts(`{ ... on ${on} { ${inner} } }`)[0].selectionSet.selections);
  query.selectionSet.selections.push(make.field('node', { alias: 'apart', given: [make.argument('id', make.text('x'))], selections }));
  return undefined;
}

const SHAPES = [
  ['Metric', 'totalTime'],
  ['Variant', 'totalTime { least }'],
  ['Variant', 'totalTime { greatest }'],
  ['Metric', 'x: passed'],
  ['Metric', 'x: kind'],
  ['Session', 'x: hash'],
  ['Session', 'x: metricCount'],
  ['Session', 'x: scmRef'],
  ['Session', 'x: tags { name }'],
  ['Session', 'x: tags { x: value }'],
  ['Build', 'x: pipeline { name }'],
  ['Session', 'x: pipeline { name }'],
  ['Component', 'x: metrics { nodes { x: id } }'],
  ['Component', 'x: metrics(first: 1) { nodes { x: kind } }'],
  ['Component', 'x: variants { nodes { x: totalTime { least } } }'],
  ['Pipeline', 'x: metrics { nodes { x: totalTime } }'],
  ['ExecutionContext', 'x: cpuCount'],
];

const WAYS = {
  // 5.1.1, 5.2: documents and operations
  definesAType: (spoiler) =>
    spoiler.add(
      ...parts(
        spoiler.random.pick([
          'type Mine { a: Int }',
          'extend type Query { a: Int }',
          'scalar Mine',
          'directive @mine on FIELD',
          'schema { query: Query }',
          'enum Mine { A }',
        ]),
      ),
    ),
  sameOperationTwice: at('OperationDefinition', ({ node }, spoiler) => {
    node.name ??= make.name('Twice');
    spoiler.add(structuredClone(node));
  }),
  severalAnonymous: (spoiler) => spoiler.add(...parts('{ __typename }')),
  anonymousBesideNamed: at('OperationDefinition', ({ node }, spoiler) => {
    node.name = undefined;
    spoiler.add(...parts('query Beside { metricCount }'));
  }),
  severalRoots: at(
    'OperationDefinition',
    ({ node }, { random }) => {
      node.selectionSet.selections.push(
        ...parts(
          random.pick([
            '{ __typename }',
            '{ other: metricRecorded { id } }',
            '{ ... { sessionAnnounced { id } } }',
            '{ ... on Subscription { runProgress(session: "x") { testsSeen } } }',
          ]),
        )[0].selectionSet.selections,
      );
    },
    ({ node }) => node.operation === 'subscription',
  ),
  introspectionRoot: at(
    'OperationDefinition',
    ({ node }) => {
      node.selectionSet = make.set([make.field('__typename')]);
    },
    ({ node }) => node.operation === 'subscription',
  ),
  conditionAtRoot: at(
    'OperationDefinition',
    ({ node }, { random }) => {
      random.pick(node.selectionSet.selections).directives = [make.when(random.pick(['skip', 'include']), CONDITION)];
    },
    ({ node }) => node.operation === 'subscription',
  ),
  otherKind: at('OperationDefinition', ({ node }, { random }) => {
    node.operation = random.pick(['query', 'mutation', 'subscription']);
  }),
  // 5.3: fields
  unknownField: at('Field', ({ node }, { random }) => {
    node.name = make.name(random.pick([`${node.name.value}X`, 'id', 'name', '__type', 'nodes', '__typename', 'Id']));
  }),
  clash: (spoiler) => {
    const site = spoiler.selections(({ within }) => isObjectType(within));
    return site ? clash(site, spoiler, (pair) => pair) : false;
  },
  clashInFragments: (spoiler) => {
    const site = spoiler.selections(({ within }) => isObjectType(within));
    return site
      ? clash(site, spoiler, ([one, other], within) => {
          spoiler.add(make.fragment('ClashOne', within.name, [one]), make.fragment('ClashTwo', within.name, [other]));
          return [make.spread('ClashOne'), make.inline(undefined, [make.spread('ClashTwo')])];
        })
      : false;
  },
  clashBelowMerged: at(
    'Field',
    ({ node, parent, type }, spoiler) => {
      const within = getNamedType(type);
      const [one, other] = [spoiler.leaf(within), spoiler.leaf(within)];
      if (!one) return false;
      const twin = structuredClone(node);
      twin.selectionSet.selections = [make.field(other, { alias: 'same' })];
      node.selectionSet.selections.push(make.field(one, { alias: 'same' }));
      parent.push(spoiler.random.chance(0.5) ? twin : make.inline(undefined, [twin]));
      return undefined;
    },
    ({ node, parent, type }) => node.selectionSet && Array.isArray(parent) && isObjectType(getNamedType(type)),
  ),
  otherArguments: at(
    'Field',
    ({ node, parent, field }, { random, values }) => {
      const twin = structuredClone(node);
      const arg = random.pick(field.args);
      twin.arguments = twin.arguments.filter((one) => one.name.value !== arg.name);
      if (random.chance(0.7)) twin.arguments.push(make.argument(arg.name, values.literal(arg.type)));
      parent.push(random.chance(0.5) ? twin : make.inline(undefined, [twin]));
    },
    ({ node, parent, field }) => node.arguments.length && Array.isArray(parent) && field?.args.length,
  ),
  longerList: at(
    'Field',
    ({ node, parent }, { random }) => {
      const twin = structuredClone(node);
      const lists = [];
      visit(twin.arguments, { ListValue: (list) => void lists.push(list) });
      if (!lists.length) return false;
      const { values } = random.pick(lists);
      values.push(values.length ? structuredClone(random.pick(values)) : make.nothing());
      parent.push(twin);
      return undefined;
    },
    ({ node, parent }) => node.arguments.length && Array.isArray(parent),
  ),
  sameAgain: at(
    'Field',
    ({ node, parent }, { random }) => {
      const twin = structuredClone(node);
      twin.arguments = random.shuffled(twin.arguments);
      parent.push(twin);
    },
    ({ parent }) => Array.isArray(parent),
  ),
  otherShape: (spoiler) => apart(spoiler, spoiler.random.pick(SHAPES), spoiler.random.pick(SHAPES)),
  leafWithSelections: at(
    'Field',
    ({ node }) => {
      node.selectionSet = make.set([make.field('id')]);
    },
    ({ node }) => !node.selectionSet,
  ),
  noSelections: at(
    'Field',
    ({ node }) => {
      node.selectionSet = undefined;
    },
    ({ node }) => node.selectionSet,
  ),
  emptySelections: at(
    'Field',
    ({ node }) => {
      node.selectionSet = make.set([]);
    },
    ({ node }) => node.selectionSet,
  ),
  // 5.4: arguments
  unknownArgument: at('Field', ({ node }, { random }) => {
    node.arguments.push(make.argument(random.pick(['unknown', 'First', 'where', 'id', 'if']), make.int(1)));
  }),
  argumentTwice: at('Argument', ({ node, parent }, spoiler) => {
    spoiler.insert(parent, structuredClone(node));
  }),
  argumentMissing: at('Argument', ({ node, parent }) => {
    parent.splice(parent.indexOf(node), 1);
  }),
  // 5.5: fragments
  fragmentTwice: at('FragmentDefinition', ({ node }, spoiler) => spoiler.add(structuredClone(node))),
  fragmentOnOther: at(['FragmentDefinition', 'InlineFragment'], ({ node }, { random }) => {
    node.typeCondition = make.named(
      random.pick(['Unknown', 'Int', 'MetricWhere', 'Resource', 'Metric', 'Tag', 'Node', 'Query', 'Bounds', 'LocalDateTime', '__Type']),
    );
  }),
  fragmentOf: (spoiler) => {
    const site = spoiler.selections();
    if (!site) return false;
    const on = spoiler.random.pick([
      'Unknown',
      'String',
      'MetricInput',
      'Match',
      'Session',
      'Node',
      'Mutation',
      'PageInfo',
      site.within.name,
    ]);
    spoiler.insert(site.node.selections, make.inline(on, [make.field('__typename')]));
    return undefined;
  },
  unusedFragment: (spoiler) =>
    spoiler.add(make.fragment('Unused', spoiler.random.pick(['Metric', 'Query', 'Node', 'Unknown']), [make.field('__typename')])),
  unknownFragment: (spoiler) => {
    const site = spoiler.selections();
    return site ? spoiler.insert(site.node.selections, make.spread(spoiler.random.pick(['Missing', 'part0', 'Metric']))) : false;
  },
  circle: at('FragmentDefinition', ({ node }, spoiler) => {
    if (spoiler.random.chance(0.5)) node.selectionSet.selections.push(make.spread(node.name.value));
    else {
      spoiler.add(make.fragment('Circle', node.typeCondition.name.value, [make.spread(node.name.value)]));
      node.selectionSet.selections.push(make.inline(undefined, [make.spread('Circle')]));
    }
  }),
  fragmentNamedOn: at('FragmentDefinition', ({ node }, spoiler) => {
    const old = node.name.value;
    for (const { node: part } of spoiler.sites('FragmentSpread')) if (part.name.value === old) part.name = make.name('on');
    node.name = make.name('on');
  }),
  // 5.6: values
  wrongValue: at(VALUES, (site, spoiler) => replace(site, wrong(site.wanted, spoiler)), isJudged),
  wrongAgain: at(
    VALUES,
    (site, spoiler) => replace(site, wrong(site.wanted, spoiler)),
    (site) => isJudged(site) && (isEnumType(getNamedType(site.wanted)) || getNamedType(site.wanted).name === 'ID'),
  ),
  nullForRequired: at(
    VALUES,
    (site) => replace(site, make.nothing()),
    ({ wanted }) => wanted && isNonNullType(wanted),
  ),
  oneForMany: at(
    'ListValue',
    (site) => replace(site, site.node.values[0]),
    ({ node, wanted }) => wanted && node.values.length,
  ),
  manyForOne: at(VALUES, (site) => replace(site, make.list([site.node])), isJudged),
  unknownMember: at(
    'ObjectValue',
    ({ node }) => {
      node.fields.push(make.member('unknown', make.int(1)));
    },
    isJudged,
  ),
  memberTwice: at('ObjectField', ({ node, parent }, spoiler) => {
    spoiler.insert(parent, structuredClone(node));
  }),
  memberMissing: at('ObjectField', ({ node, parent }) => {
    parent.splice(parent.indexOf(node), 1);
  }),
  // 5.7: directives
  directive: at(DIRECTED, ({ node }, { random }) => {
    node.directives.push(
      random.pick([
        make.directive('unknown'),
        make.when('skip', CONDITION),
        make.when('include', make.bool(false)),
        make.directive('include'),
        make.when('skip', make.text('true')),
        make.when('skip', make.nothing()),
        make.directive('deprecated'),
        make.directive('skip', [make.argument('if', CONDITION), make.argument('unless', CONDITION)]),
        make.directive('include', [make.argument('unless', CONDITION)]),
        make.directive('specifiedBy', [make.argument('url', make.text('x'))]),
        make.directive('oneOf'),
        make.directive('include', [make.argument('if', CONDITION), make.argument('if', CONDITION)]),
        make.when('include', make.variable('undefined')),
      ]),
    );
  }),
  directiveTwice: at(['Field', 'FragmentSpread', 'InlineFragment'], ({ node }) => {
    node.directives.push(make.when('skip', make.bool(false)), make.when('skip', make.bool(false)));
  }),
  // 5.8: variables
  variableTwice: at('VariableDefinition', ({ node, parent }, spoiler) => {
    spoiler.insert(parent, structuredClone(node));
  }),
  variableOfOutputType: at('VariableDefinition', ({ node }, { random }) => {
    node.type = make.type(random.pick(['Metric', '[Session!]', 'Node!', 'Unknown', 'Query']));
  }),
  undefinedVariable: at(VALUES, (site) => replace(site, make.variable('undefined')), isJudged),
  definitionMissing: at('VariableDefinition', ({ node, parent }) => {
    parent.splice(parent.indexOf(node), 1);
  }),
  unusedVariable: at('OperationDefinition', ({ node }, { random }) => {
    node.variableDefinitions.push(make.definition('unused', random.pick(['Int', 'MetricWhere!', '[ID!]'])));
  }),
  otherType: at('VariableDefinition', ({ node }, spoiler) => {
    node.type = make.type(retyped(print(node.type), spoiler));
    if (spoiler.random.chance(0.6)) node.defaultValue = undefined;
  }),
  otherTypeAgain: at('VariableDefinition', ({ node }, spoiler) => {
    node.type = make.type(retyped(print(node.type), spoiler));
  }),
  otherDefault: at('VariableDefinition', ({ node }, spoiler) => {
    const type = print(node.type);
    const of = spoiler.schema.getType(type.replace(/[[\]!]/g, ''));
    if (!of || isOwn(of)) return false;
    node.defaultValue = spoiler.random.chance(0.3) ? undefined : wrong(of, spoiler);
    return undefined;
  }),
  variableInDefault: at('VariableDefinition', ({ node }) => {
    node.defaultValue = make.variable(node.variable.name.value);
  }),
  newVariable: at(
    VALUES,
    (site, spoiler) => {
      const [operation] = spoiler.sites('OperationDefinition');
      const type = retyped(String(site.wanted), spoiler);
      operation.node.variableDefinitions.push(make.definition('fresh', type));
      replace(site, make.variable('fresh'));
    },
    (site, spoiler) => isJudged(site) && spoiler.sites('OperationDefinition', 'FragmentDefinition').length === 1,
  ),
  variableInVariable: at('VariableDefinition', ({ node }) => {
    node.directives = [make.when('skip', make.variable(node.variable.name.value))];
  }),
};

/** Changes the document in one of the ways that can be gone; says which. */
export function spoil(spoiler) {
  return spoiler.random.shuffled(Object.keys(WAYS)).find((way) => WAYS[way](spoiler) !== false);
}
