// How documents are spelled: the signs between tokens, the forms of texts, and what no document may hold.

import { Lexer, Source, TokenKind } from 'graphql';

const BETWEEN = [' ', '\n', ', ', '\t', '  ', '\r\n', ' # a comment, "quoted" {\n', '\r', ',,', '\uFEFF', '\n\n#\n'];
const hex = (code, width) => code.toString(16).padStart(width, '0');

/** The tokens of a document, as they are written. */
export function tokens(text) {
  const lexer = new Lexer(new Source(text));
  const found = [];
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    found.push({ kind: token.kind, text: text.slice(token.start, token.end), value: token.value });
  }
  return found;
}

/** A text that means `value`. */
function quoted(value, random) {
  if (random.chance(0.15) && !/["\\\n\r\t]/.test(value) && !/^\s|\s$/.test(value))
    return `"""${random.pick(['', '\n  '])}${value}${random.pick(['', '\n'])}"""`;
  const written = Array.from(value, (sign) => {
    const code = sign.codePointAt(0);
    const units = Array.from({ length: sign.length }, (_, index) => `\\u${hex(sign.charCodeAt(index), 4)}`).join('');
    if (random.chance(0.04)) return random.pick([units, `\\u{${hex(code, 1 + random.below(6))}}`]);
    if (sign === '"' || sign === '\\') return `\\${sign}`;
    return (
      { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' }[sign] ?? (sign === '/' && random.chance(0.2) ? '\\/' : sign)
    );
  });
  return `"${written.join('')}"`;
}

/** The same document in another spelling. */
export function respelled(text, random) {
  if (random.chance(0.3)) return text;
  const plain = random.chance(0.5);
  const spelled = tokens(text).map((token) =>
    token.kind === TokenKind.STRING || token.kind === TokenKind.BLOCK_STRING ? quoted(token.value, random) : token.text,
  );
  const between = () => (plain || random.chance(0.7) ? ' ' : random.pick(BETWEEN));
  return (random.chance(0.05) ? '\uFEFF' : '') + spelled.map((one) => one + between()).join('');
}

/** The same document with descriptions, which it may have in front of operations, fragments and variables; some stand elsewhere. */
export function described(text, random) {
  const all = tokens(text);
  const description = () => random.pick(['"described" ', '"""described""" ', '"" ', '"""\n  of two\n  lines\n""" ', '"\\u{1F600}" ']);
  const anywhere = random.chance(0.1);
  let depth = 0;
  return all
    .map((token, index) => {
      const isStart =
        depth === 0 &&
        ['query', 'mutation', 'subscription', 'fragment'].includes(token.text) &&
        token.kind === TokenKind.NAME &&
        (index === 0 || all[index - 1].text === '}');
      const isVariable = depth === 1 && token.kind === TokenKind.DOLLAR && all[index + 2]?.kind === TokenKind.COLON;
      if ('{(['.includes(token.text[0])) depth++;
      if ('})]'.includes(token.text[0])) depth--;
      return (isStart || isVariable || anywhere) && random.chance(0.5) ? description() + token.text : token.text;
    })
    .join(' ');
}

const NOISE = [
  '1a',
  '01',
  '1.',
  '.5',
  '1e',
  '-',
  '0xF',
  '1.5e',
  '00',
  '-01',
  '1__x',
  '1.5.5',
  '"open',
  '"""open',
  '"\\q"',
  '"\\uD83D"',
  '"\\uDE00"',
  '"\\uD83D\\uDE00"',
  '"\\uDE00\\uD83D"',
  '"\\u{1F600}"',
  '"\\u{110000}"',
  '"\\u{D800}"',
  '"\\u{}"',
  '"\\u{00000000041}"',
  '"\\u12"',
  '"\\u{41"',
  '"a\nb"',
  '"a\tb"',
  '"\u0007"',
  '"""a\\"""b"""',
  '"""\\u0041"""',
  '..',
  '....',
  '&',
  '|',
  '=',
  '?',
  ';',
  '@',
  '$',
  ':',
  '!',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '#',
  '\u00a0',
  'é',
  '\u0000',
  '\u0001',
  '...on',
  'on',
  'fragment',
  'query',
  'null',
  'true',
  '$a',
  '@skip',
  '"é\u2028"',
  "'x'",
  '%',
  '~',
  '""""',
  '""',
  '1 2',
  '-0',
  '1.0e+5',
  '1E5',
  '-0.0',
  '<',
  '\\',
];

/** The document with its tokens spoiled. */
export function garbled(text, random) {
  const all = tokens(text).map((token) => token.text);
  const place = random.below(all.length);
  switch (random.below(6)) {
    case 0:
      all.splice(place, 1);
      break;
    case 1:
      all.splice(place, 0, all[place]);
      break;
    case 2:
      [all[place], all[0]] = [all[0], all[place]];
      break;
    case 3:
      all.length = place;
      break;
    case 4:
      all.splice(place, 0, random.pick(NOISE));
      break;
    default:
      all[place] = random.pick(NOISE);
  }
  return all.join(random.chance(0.1) ? '' : ' ');
}
