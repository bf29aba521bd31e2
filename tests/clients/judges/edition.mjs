// npm's graphql by the specification's edition of September 2025, from which it differs in six places. There is no other
// exception.

import { readFileSync } from 'node:fs';

import {
  GraphQLError,
  GraphQLFloat,
  MaxIntrospectionDepthRule,
  __Directive,
  __Schema,
  buildSchema,
  isNonNullType,
  parse as parseOther,
  print,
  specifiedRules,
  validate as validateOther,
  visit,
} from 'graphql';

// It takes empty selection sets. Section 2.4: a selection set has one selection or more.
const OPTIONS = { allowEmptySelectionSets: false };

// It refuses introspection that is nested three lists deep. Section 5 has no such rule.
const RULES = specifiedRules.filter((rule) => rule !== MaxIntrospectionDepthRule);

// It takes any variable inside a OneOf input object that must not be null itself. Section 5.8.5: one that may be null needs a default.
RULES.push((context) => ({
  OperationDefinition: (operation) => {
    const defined = new Map((operation.variableDefinitions ?? []).map((definition) => [definition.variable.name.value, definition]));
    for (const { node, parentType } of context.getRecursiveVariableUsages(operation)) {
      const isOneOf = isNonNullType(parentType) && parentType.ofType.isOneOf;
      const { type, defaultValue } = defined.get(node.name.value) ?? {};
      if (isOneOf && type && type.kind !== 'NonNullType' && (defaultValue?.kind ?? 'NullValue') === 'NullValue') {
        context.reportError(new GraphQLError(`Variable "$${node.name.value}" may be null`, { nodes: node }));
      }
    }
  },
}));

// Its directives can be deprecated. Section 4.2: they can't be, so no document asks for that.
__Schema.getFields().directives.args = [];
for (const field of ['isDeprecated', 'deprecationReason']) delete __Directive.getFields()[field];

// It takes a literal beyond all floats for infinity. Section 3.5.2: what is not finite is an error.
const coerce = GraphQLFloat.coerceInputLiteral.bind(GraphQLFloat);
GraphQLFloat.coerceInputLiteral = (node) => {
  const number = coerce(node);
  if (!Number.isFinite(number)) throw new GraphQLError(`Float cannot represent ${node.value}`, { nodes: node });
  return number;
};

// It compares the arguments of fields that merge as they are written. Section 2.9.4: a block string is a value like any other text.
const unblocked = { StringValue: (node) => (node.block ? { ...node, block: false } : undefined) };

export const parse = (text) => visit(parseOther(text, OPTIONS), unblocked);
export const validate = (schema, document) => validateOther(schema, document, RULES, OPTIONS);
/** The schema without what takes a token with scope ADMIN: an open server refuses that before it looks at the rest. */
export function readSchema(file) {
  const schema = buildSchema(readFileSync(file, 'utf8'));
  for (const type of [schema.getQueryType(), schema.getMutationType()]) {
    const fields = type.getFields();
    for (const [name, field] of Object.entries(fields)) {
      if (field.astNode.directives?.some((one) => print(one).includes('ADMIN'))) delete fields[name];
    }
  }
  return schema;
}
