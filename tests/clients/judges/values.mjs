// Values that fit an input type.

import { getNamedType, getNullableType, isEnumType, isInputObjectType, isListType, isNonNullType, isRequiredInputField } from 'graphql';

import { bool, float, int, list, member, nothing, object, text, word } from './nodes.mjs';

const WHOLE = [0, 1, 2, 3, 7, 50, -1, 2147483647, -2147483648];
const NUMBERS = ['0.5', '1e3', '-2.5e-3', '0.0', '1E+2', '123456789012.25', '0', '12', '-7'];
const TIMES = ['2024-02-29T23:59:59', '2026-01-05T03:00:00.125000', '1999-12-31T00:00:00'];
const TEXTS = [
  '',
  'a',
  'main',
  'test_speed',
  '%',
  'ünïcode',
  '多',
  '🐍 1',
  'two\nlines',
  '"quoted" \\ back',
  'tab\there',
  '#no comment',
];

/** Whether an argument or a member of an object is filled where it is left out. */
export const hasDefault = (of) => of.default !== undefined || of.defaultValue !== undefined;

/** Values made at random; `pools` says which to prefer. */
export class Values {
  constructor(random, schema, pools = {}) {
    this.random = random;
    this.schema = schema;
    this.pools = { texts: TEXTS, ids: ['UGlwZWxpbmU6MQ', 'x', '1'], times: TIMES, ...pools };
  }

  /** A literal that fits `type`. `variable(type, hasDefault)` may give a variable in place of it, or of anything in it. */
  literal(type, variable = () => undefined, depth = 3, isFilled = false) {
    const { random } = this;
    const given = variable(type, isFilled);
    if (given) return given;
    if (!isNonNullType(type) && random.chance(0.05)) return nothing();
    const nullable = getNullableType(type);
    if (isListType(nullable)) {
      // One value stands for a list of it.
      if (random.chance(0.2)) {
        const only = this.literal(getNullableType(nullable.ofType), undefined, depth - 1);
        if (only.kind !== 'NullValue') return only;
      }
      const length = depth < 1 ? 0 : random.below(3);
      return list(Array.from({ length }, () => this.literal(nullable.ofType, variable, depth - 1)));
    }
    if (isInputObjectType(nullable)) return this.object(nullable, variable, depth);
    if (isEnumType(nullable)) return word(random.pick(nullable.getValues()).name);
    return this.scalar(nullable.name);
  }

  object(type, variable, depth) {
    const { random } = this;
    const fields = random.shuffled(Object.values(type.getFields())).filter((field) => {
      if (isRequiredInputField(field)) return true;
      const nests = isInputObjectType(getNamedType(field.type));
      return (!nests || depth > 0) && random.chance(type.name.endsWith('Where') ? 0.12 : 0.5);
    });
    return object(fields.map((field) => member(field.name, this.literal(field.type, variable, depth - 1, hasDefault(field)))));
  }

  scalar(type) {
    const { random, pools } = this;
    switch (type) {
      case 'Int':
        return int(random.pick(WHOLE));
      case 'Float': {
        const number = random.pick(pools.numbers ?? NUMBERS);
        return /^-?\d+$/.test(number) ? int(number) : float(number);
      }
      case 'Boolean':
        return bool(random.chance(0.5));
      case 'ID':
        return random.chance(0.2) ? int(random.below(100)) : text(random.pick(pools.ids));
      case 'LocalDateTime':
        return text(random.pick(pools.times));
      case 'Tags':
        return object(['pipeline_branch', 'quality'].map((key) => member(key, text(random.pick(pools.texts)))));
      default:
        return text(random.pick(pools.texts));
    }
  }
}

/** A literal without variables as JSON. */
export function plain(node) {
  switch (node.kind) {
    case 'IntValue':
    case 'FloatValue':
      return Number(node.value);
    case 'NullValue':
      return null;
    case 'ListValue':
      return node.values.map(plain);
    case 'ObjectValue':
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, plain(value)]));
    default:
      return node.value;
  }
}
