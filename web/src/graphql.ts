interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string }[];
}

/** As seen from the root, which each page names as its base. */
export const endpoint = 'graphql';
export const accept = 'application/graphql-response+json, application/json';

/** Sends one document and returns its data; whatever else happens is an Error whose message can be shown. */
export async function ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ query, variables }),
  }).catch((cause: unknown) => {
    throw new Error('The server cannot be reached.', { cause });
  });
  const answer = await readAnswer<Data>(response);
  if (answer.errors?.length) {
    throw new Error(answer.errors.map((error) => error.message).join(' '));
  }
  if (!answer.data) {
    throw new Error(`The server answered ${response.status} without data.`);
  }
  return answer.data;
}

async function readAnswer<Data>(response: Response): Promise<Answer<Data>> {
  try {
    return (await response.json()) as Answer<Data>;
  } catch {
    throw new Error(`The server answered ${`${response.status} ${response.statusText}`.trimEnd()}.`);
  }
}
