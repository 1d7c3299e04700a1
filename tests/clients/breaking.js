// Prints every change between two schemas that breaks a client of the first, and fails if there is one.

import { readFile } from 'node:fs/promises';
import { buildSchema, findBreakingChanges } from 'graphql';

const [before, after] = await Promise.all(
  process.argv.slice(2).map(async (file) => buildSchema(await readFile(file, 'utf8'))),
);
const changes = findBreakingChanges(before, after);
for (const { type, description } of changes) console.log(`${type}: ${description}`);
process.exitCode = changes.length > 0 ? 1 : 0;
