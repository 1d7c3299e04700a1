// Makes operations.ts of operations.graphql and the server's schema: `npm run generate`. With `--check` it writes
// nothing and fails if the file is not what it would write.

import { readFileSync, writeFileSync } from "node:fs";

import { codegen } from "@graphql-codegen/core";
import * as typedDocumentNode from "@graphql-codegen/typed-document-node";
import * as typescriptOperations from "@graphql-codegen/typescript-operations";
import { buildSchema, parse, printSchema, validate } from "graphql";

const file = (name: string) => new URL(name, import.meta.url);
const read = (name: string) => readFileSync(file(name), "utf8");

const schema = buildSchema(read("../../schema.graphql"));
const document = parse(read("operations.graphql"));
const errors = validate(schema, document);
if (errors.length > 0) throw new AggregateError(errors, errors.join("\n"));

const scalars = { DateTime: "string", ChatStatus: "string", UserId: "string | number" };
const generated = await codegen({
  schema: parse(printSchema(schema)),
  documents: [{ location: "operations.graphql", document }],
  filename: "operations.ts",
  config: { scalars, strictScalars: true, useTypeImports: true, enumsAsTypes: true },
  plugins: [{ operations: {} }, { documents: {} }],
  pluginMap: { operations: typescriptOperations, documents: typedDocumentNode },
});
const wanted = `// Made by \`npm run generate\`.\n\n${generated.trim()}\n`;
if (!process.argv.includes("--check")) writeFileSync(file("operations.ts"), wanted);
else if (read("operations.ts") !== wanted) throw new Error("operations.ts is out of date: npm run generate");
