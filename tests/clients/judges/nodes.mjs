// Builders of AST nodes.

import { Kind, parseType } from 'graphql';

export const name = (value) => ({ kind: Kind.NAME, value });
export const variable = (of) => ({ kind: Kind.VARIABLE, name: name(of) });
export const int = (value) => ({ kind: Kind.INT, value: String(value) });
export const float = (value) => ({ kind: Kind.FLOAT, value: String(value) });
export const text = (value) => ({ kind: Kind.STRING, value });
export const bool = (value) => ({ kind: Kind.BOOLEAN, value });
export const nothing = () => ({ kind: Kind.NULL });
export const word = (value) => ({ kind: Kind.ENUM, value });
export const list = (values) => ({ kind: Kind.LIST, values });
export const member = (of, value) => ({ kind: Kind.OBJECT_FIELD, name: name(of), value });
export const object = (fields) => ({ kind: Kind.OBJECT, fields });
export const argument = (of, value) => ({ kind: Kind.ARGUMENT, name: name(of), value });
export const directive = (of, given = []) => ({ kind: Kind.DIRECTIVE, name: name(of), arguments: given });
export const when = (of, value) => directive(of, [argument('if', value)]);
export const set = (selections) => ({ kind: Kind.SELECTION_SET, selections });
export const type = (written) => parseType(written, { noLocation: true });
export const named = (of) => ({ kind: Kind.NAMED_TYPE, name: name(of) });

export const field = (of, { alias, given = [], directives = [], selections } = {}) => ({
  kind: Kind.FIELD,
  alias: alias ? name(alias) : undefined,
  name: name(of),
  arguments: given,
  directives,
  selectionSet: selections && set(selections),
});

export const spread = (of, directives = []) => ({ kind: Kind.FRAGMENT_SPREAD, name: name(of), directives });

export const inline = (on, selections, directives = []) => ({
  kind: Kind.INLINE_FRAGMENT,
  typeCondition: on ? named(on) : undefined,
  directives,
  selectionSet: set(selections),
});

export const fragment = (of, on, selections) => ({
  kind: Kind.FRAGMENT_DEFINITION,
  name: name(of),
  typeCondition: named(on),
  directives: [],
  selectionSet: set(selections),
});

export const definition = (of, written, defaultValue) => ({
  kind: Kind.VARIABLE_DEFINITION,
  variable: variable(of),
  type: type(written),
  defaultValue,
  directives: [],
});

export const operation = (kind, of, selections, variables = []) => ({
  kind: Kind.OPERATION_DEFINITION,
  operation: kind,
  name: of ? name(of) : undefined,
  variableDefinitions: variables,
  directives: [],
  selectionSet: set(selections),
});
