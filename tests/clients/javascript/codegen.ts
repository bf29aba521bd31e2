import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: process.env.SCHEMA,
  documents: ['documents.ts'],
  generates: {
    './generated/': { preset: 'client', config: { useTypeImports: true } },
  },
  emitLegacyCommonJSImports: false,
};

export default config;
