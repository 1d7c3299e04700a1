// Writes the types of the console's operations from the server's own schema. The result is made anew by each build and
// never committed, so that it cannot fall behind: an operation that the schema no longer has ends the build.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as operations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

const read = (path) => readFile(new URL(path, import.meta.url), 'utf8');
const OUTPUT = new URL('console/generated/', import.meta.url);

const source = await read('console/operations.graphql');
const config = {
  // Documents are strings: nothing of the GraphQL language has to be loaded to send them.
  documentMode: 'string',
  useTypeImports: true,
  strictScalars: true,
  scalars: {
    ID: 'string',
    DateTime: 'string',
    ChatStatus: 'string',
    UserId: { input: 'number | string', output: 'number | string' },
  },
  enumType: 'string-literal',
  defaultScalarType: 'never',
  arrayInputCoercion: false,
  skipTypename: false,
  nonOptionalTypename: true,
};

const text = await codegen({
  filename: 'operations.ts',
  schema: parse(await read('../schema.graphql')),
  documents: [{ location: 'operations.graphql', document: parse(source), rawSDL: source }],
  config,
  pluginMap: { operations, typedDocumentNode },
  plugins: [{ operations: {} }, { typedDocumentNode: {} }],
});

await mkdir(OUTPUT, { recursive: true });
await writeFile(new URL('operations.ts', OUTPUT), `${text}\n`);
