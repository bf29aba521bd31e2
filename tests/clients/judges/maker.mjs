// Generates documents that are valid for a schema.

import {
  GraphQLBoolean,
  GraphQLNonNull,
  getNamedType,
  getNullableType,
  isAbstractType,
  isLeafType,
  isNonNullType,
  isRequiredArgument,
  print,
  typeFromAST,
  visit,
} from 'graphql';

import { argument, bool, definition, field, fragment, inline, operation, spread, variable, when } from './nodes.mjs';
import { hasDefault, plain } from './values.mjs';

const MOST_FRAGMENTS = 4;

export class Maker {
  /** `likes` turns what is seldom off: `introspection`, `directives`, `variables`, `typename` are shares of 1. */
  constructor(random, schema, values, likes = {}) {
    Object.assign(this, { random, schema, values });
    this.likes = {
      introspection: 0.05,
      directives: 0.08,
      variables: 0.25,
      typename: 0.1,
      conditionalTypenames: true,
      rows: 6,
      depth: 4,
      ...likes,
    };
  }

  /** A document with operations of these kinds. */
  document(...kinds) {
    this.fragments = [];
    this.variables = new Map();
    // How a field is asked for without an alias: always with the same arguments, so that it merges with itself.
    this.usual = new Map();
    this.keys = 0;
    // Where there are none, lists are asked for in the forms that are most common.
    this.isConditional = this.random.chance(0.5);
    const operations = kinds.map((kind, index) => {
      const root = this.schema.getRootType(kind);
      const of = kinds.length > 1 || this.random.chance(0.6) ? `Operation${index}` : undefined;
      const selections =
        kind === 'subscription' ? this.single(root) : this.selections(root, 2 + this.random.below(this.likes.depth - 1));
      return operation(kind, of, selections);
    });
    for (const made of operations) made.variableDefinitions = this.definitions(made);
    const definitions = [...operations, ...this.fragments.map(({ node }) => node)];
    return { kind: 'Document', definitions: this.random.shuffled(definitions) };
  }

  /** The one root of a subscription, in any of its forms. */
  single(root) {
    const { random } = this;
    const one = this.field(root, random.pick(Object.values(root.getFields())), 2, false);
    const all = random.chance(0.15) ? [one, structuredClone(one)] : [one];
    if (random.chance(0.15)) return [inline(random.chance(0.5) ? root.name : undefined, all)];
    if (random.chance(0.15)) return [spread(this.keep(root, all))];
    return all;
  }

  /** Keeps selections as a fragment of a new name. */
  keep(type, selections) {
    const of = `Part${this.fragments.length}`;
    this.fragments.push({ type, node: fragment(of, type.name, selections) });
    return of;
  }

  selections(type, depth) {
    const { random } = this;
    const made = [];
    const count = 1 + random.below(depth > 1 ? 4 : 6);
    while (made.length < count) made.push(this.selection(type, depth));
    // The same once more, to be merged.
    if (random.chance(0.1)) made.push(structuredClone(random.pick(made)));
    return made;
  }

  selection(type, depth) {
    const { random } = this;
    const directives = this.directives();
    if (depth > 0 && random.chance(isAbstractType(type) ? 0.7 : 0.2)) {
      const on = this.narrowed(type);
      const candidates = this.fragments.filter((part) => part.type === on);
      if (candidates.length && random.chance(0.5)) return spread(random.pick(candidates).node.name.value, directives);
      const selections = this.selections(on, depth - 1);
      if (this.fragments.length < MOST_FRAGMENTS && random.chance(0.5)) return spread(this.keep(on, selections), directives);
      return inline(on === type && random.chance(0.5) ? undefined : on.name, selections, directives);
    }
    if (random.chance(this.likes.typename)) {
      return field('__typename', { alias: this.alias(0.3), directives: this.likes.conditionalTypenames ? directives : [] });
    }
    const all = Object.values(type.getFields?.() ?? {});
    const leaves = all.filter((one) => isLeafType(getNamedType(one.type)));
    const from = depth > 0 || leaves.length === 0 ? all : leaves;
    if (type === this.schema.getQueryType() && random.chance(this.likes.introspection)) return this.introspection(directives);
    // The last resort for a type without leaves.
    if (from.length === 0 || (depth <= 0 && leaves.length === 0)) return field('__typename');
    return this.field(type, random.pick(from), depth, true, directives);
  }

  introspection(directives) {
    const schema = this.schema.getType('__Schema');
    const one = this.schema.getType('__Type');
    const asked = this.random.pick(Object.keys(this.schema.getTypeMap()));
    return this.random.chance(0.5)
      ? field('__schema', { alias: this.alias(0.3), directives, selections: this.selections(schema, 2) })
      : field('__type', {
          alias: this.alias(1),
          given: [argument('name', { kind: 'StringValue', value: asked })],
          directives,
          selections: this.selections(one, 1),
        });
  }

  /** What a fragment on `type` may be on. */
  narrowed(type) {
    const { random, schema } = this;
    if (isAbstractType(type)) return random.chance(0.15) ? type : random.pick(schema.getPossibleTypes(type));
    const interfaces = type.getInterfaces?.() ?? [];
    return interfaces.length && random.chance(0.3) ? random.pick(interfaces) : type;
  }

  alias(share) {
    return this.random.chance(share) ? `k${this.keys++}` : undefined;
  }

  field(type, of, depth, mayAlias, directives = []) {
    const usual = `${type.name}.${of.name}`;
    const alias = mayAlias ? this.alias(of.args.length ? 0.4 : 0.15) : undefined;
    let given = alias === undefined ? this.usual.get(usual) : undefined;
    if (!given) {
      given = this.given(type, of);
      if (alias === undefined) this.usual.set(usual, given);
    }
    const within = getNamedType(of.type);
    const selections = isLeafType(within) ? undefined : this.selections(within, depth - 1);
    return field(of.name, { alias, given: structuredClone(given), directives, selections });
  }

  /** Arguments of a field. */
  given(type, of) {
    const { random } = this;
    const isConnection = of.args.some((arg) => arg.name === 'first') && of.args.some((arg) => arg.name === 'last');
    const given = [];
    for (const arg of random.shuffled(of.args)) {
      if (!isRequiredArgument(arg) && !random.chance(isConnection ? 0.25 : 0.5)) continue;
      // Neither both ends, nor more rows than a test needs.
      if (isConnection && arg.name === 'last' && given.some((one) => one.name.value === 'first')) continue;
      if (isConnection && arg.name === 'first' && given.some((one) => one.name.value === 'last')) continue;
      const chosen = this.values.argument?.(of, arg, given);
      if (chosen === null) continue;
      if (chosen) {
        given.push(argument(arg.name, this.variable(arg.type, hasDefault(arg), chosen) ?? chosen));
        continue;
      }
      const rows =
        arg.name === 'first' || arg.name === 'last' ? { kind: 'IntValue', value: String(random.below(this.likes.rows)) } : undefined;
      given.push(argument(arg.name, rows ?? this.values.literal(arg.type, (ty, has) => this.variable(ty, has), 3, hasDefault(arg))));
    }
    return given;
  }

  directives() {
    const { random, likes } = this;
    if (!this.isConditional || !random.chance(likes.directives)) return [];
    return random
      .shuffled(['skip', 'include'])
      .slice(0, random.chance(0.2) ? 2 : 1)
      .map((of) =>
        when(of, this.variable(new GraphQLNonNull(GraphQLBoolean), false) ?? bool(random.chance(of === 'skip' ? 0.3 : 0.7))),
      );
  }

  /** Perhaps a variable for a place of this type, which has `value` if given. */
  variable(type, isFilled, value) {
    const { random, values } = this;
    if (!random.chance(this.likes.variables)) return undefined;
    const candidates = [...this.variables].filter(([, one]) => one.place === String(type));
    if (!value && candidates.length && random.chance(0.5)) return variable(random.pick(candidates)[0]);
    const nullable = getNullableType(type);
    const written = String(type);
    const form = random.below(4);
    let made = { type: written };
    if (isNonNullType(type)) {
      const fallback = values.literal(type, undefined, 1);
      if (form === 0) made = { type: String(nullable), fallback };
      else if (form === 1) made = { type: written, fallback };
      else if (form === 2 && isFilled) made = { type: String(nullable) };
    } else if (form === 0) made = { type: `${written}!` };
    else if (form === 1) made = { type: written, fallback: values.literal(type, undefined, 1) };
    const of = `v${this.variables.size}`;
    this.variables.set(of, { ...made, place: written, value });
    return variable(of);
  }

  /** Values for the variables of an operation. Where there is a default they may be left out, but for conditions. */
  variableValues(made) {
    const given = made.variableDefinitions.map(({ variable: { name }, type, defaultValue }) => {
      const { value, place } = this.variables.get(name.value);
      if (defaultValue && !value && !print(type).startsWith('Boolean') && this.random.chance(0.5)) return [];
      const of = typeFromAST(this.schema, type);
      // A null would not become the default, of the variable or of the place.
      const wanted = defaultValue || place.endsWith('!') ? new GraphQLNonNull(getNullableType(of)) : of;
      return [[name.value, plain(value ?? this.values.literal(wanted))]];
    });
    return Object.fromEntries(given.flat());
  }

  /** The variables that an operation reaches. */
  definitions(made) {
    const names = new Set();
    const seen = new Set();
    const look = (node) =>
      visit(node, {
        Variable: ({ name }) => void names.add(name.value),
        FragmentSpread: ({ name }) => {
          if (seen.has(name.value)) return;
          seen.add(name.value);
          look(this.fragments.find((part) => part.node.name.value === name.value).node);
        },
      });
    look(made);
    return [...names].map((of) => {
      const { type, fallback } = this.variables.get(of);
      return definition(of, type, fallback);
    });
  }
}
