// The audits that graphql-http publishes for GraphQL over HTTP: node audits.js http://127.0.0.1:8000
// Prints each that did not pass, and fails if one of them is a MUST or a SHOULD.
import { auditServer } from "graphql-http";

const [server] = process.argv.slice(2);
const results = await auditServer({ url: `${server}/graphql` });
const failed = results.filter(({ status }) => status !== "ok");
for (const { id, name, status, reason } of failed) console.log(`${status} ${id} ${name}: ${reason}`);
console.log(`${results.length - failed.length} of ${results.length} passed`);
const isBinding = ({ name }) => /^(MUST|SHOULD)\b/.test(name);
process.exitCode = results.length === 0 || failed.some(isBinding) ? 1 : 0;
