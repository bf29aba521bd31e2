// A document to be made invalid, and an index of its nodes.

import {
  TypeInfo,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  getNullableType,
  parse,
  visit,
  visitWithTypeInfo,
} from 'graphql';

import * as make from './nodes.mjs';

/** What may have directives. */
export const DIRECTED = [
  'OperationDefinition',
  'Field',
  'FragmentSpread',
  'InlineFragment',
  'FragmentDefinition',
  'VariableDefinition',
];
export const VALUES = ['IntValue', 'FloatValue', 'StringValue', 'BooleanValue', 'EnumValue', 'NullValue', 'ListValue', 'ObjectValue'];

export const parts = (text) => parse(text, { noLocation: true }).definitions;
// The values of custom scalars are checked by the server.
export const isOwn = (type) => ['LocalDateTime', 'Tags'].includes(getNamedType(type).name);

export class Spoiler {
  constructor(random, schema, document, values) {
    Object.assign(this, { random, schema, values });
    this.document = structuredClone(document);
  }

  /** All nodes of these kinds, with what they stand in and the types there. */
  sites(...kinds) {
    const info = new TypeInfo(this.schema);
    const found = [];
    visit(
      this.document,
      visitWithTypeInfo(info, {
        enter(node, key, parent) {
          if (!kinds.includes(node.kind)) return;
          // What was parsed leaves out what is empty.
          if (DIRECTED.includes(node.kind)) node.directives ??= [];
          if (node.kind === 'Field') node.arguments ??= [];
          if (node.kind === 'OperationDefinition') node.variableDefinitions ??= [];
          found.push({
            node,
            key,
            parent,
            type: info.getType(),
            within: info.getParentType(),
            wanted: info.getInputType(),
            field: info.getFieldDef(),
          });
        },
      }),
    );
    return found;
  }

  /** One node of these kinds that suits. */
  site(kinds, suits = () => true) {
    const found = this.sites(...[kinds].flat()).filter(suits);
    return found.length ? this.random.pick(found) : undefined;
  }

  operation(suits = () => true) {
    return this.site('OperationDefinition', ({ node }) => suits(node))?.node;
  }

  /** A place for selections, and its type. */
  selections(suits = () => true) {
    return this.site('SelectionSet', (site) => site.within && suits(site));
  }

  add(...definitions) {
    this.document.definitions.push(...definitions);
  }

  /** Puts `of` somewhere among those of `list`. */
  insert(list, of) {
    list.splice(this.random.below(list.length + 1), 0, of);
  }

  /** A field of `type` that leads to a leaf. */
  leaf(type, suits = () => true) {
    const fields = Object.values(type.getFields?.() ?? {});
    const leaves = fields.filter((one) => isLeafType(getNamedType(one.type)) && !one.args.some((arg) => isNonNullType(arg.type)));
    const suited = leaves.filter(suits);
    return suited.length ? this.random.pick(suited).name : undefined;
  }
}

/** Literals that don't fit, by what is wanted; a few of them do. */
export function wrong(type, { random }) {
  const nullable = getNullableType(type);
  const any = [
    make.int(1),
    make.int('2147483648'),
    make.int('-2147483649'),
    make.int('9007199254740993'),
    make.float('1.5'),
    make.float('1e400'),
    make.text('text'),
    make.text('1'),
    make.bool(true),
    make.word('RED'),
    make.list([]),
    make.list([make.int(1)]),
    make.object([]),
    make.object([make.member('nothing', make.int(1))]),
    make.nothing(),
    make.int('-0'),
    make.word('CPU'),
  ];
  if (isEnumType(nullable)) any.push(...Array(3).fill(make.text(nullable.getValues()[0].name)), make.word('WRONG'));
  if (isInputObjectType(nullable)) any.push(make.text('{}'), make.list([make.object([])]));
  if (isListType(nullable)) any.push(make.list([make.nothing()]), make.list([make.list([make.text('a')])]));
  if (isNonNullType(type)) any.push(make.nothing(), make.nothing());
  return random.pick(any);
}

/** Another type for a variable; some of them fit. */
export function retyped(written, { random }) {
  const base = written.replace(/[[\]!]/g, '');
  return random.pick([
    `${base}`,
    `${base}!`,
    `[${base}]`,
    `[${base}!]`,
    `[${base}!]!`,
    `[${base}]!`,
    `[[${base}!]!]`,
    written.replace(/!$/, ''),
    'Int',
    'String!',
    'Float!',
    'ID!',
    'Boolean',
    'Resource!',
    'MetricWhere',
    'StringFilter!',
  ]);
}
