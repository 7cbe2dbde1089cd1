// Writes JSON schemas of the answers that the packages' own type files describe: `node schemas.mjs PLACE`.
import { readFileSync, writeFileSync } from "node:fs";
import { createGenerator } from "ts-json-schema-generator";

const NEWER = { domains: "Domain", endpoints: "Endpoint", "email-addresses": "EmailAddress" };
const OLDER = /^interface (\w+(?:Domain|Endpoint|EmailAddress)\w*Response)\b/gm;
const place = process.argv[2];
const schemas = {};

// Members that the types do not know are no fault: clients leave them alone.
function read(path, types) {
  const options = { path, expose: "all", skipTypeCheck: true, additionalProperties: true };
  const generator = createGenerator(options);
  for (const type of types) schemas[type] = generator.createSchema(type);
}

for (const [file, thing] of Object.entries(NEWER)) {
  const path = `${place}/node_modules/inboundemail/resources/${file}.d.ts`;
  const found = readFileSync(path, "utf8").matchAll(/^export interface (\w+Response)\b/gm);
  read(path, [...found].map((each) => each[1]).filter((type) => type.startsWith(thing)));
}
// The older package keeps its interfaces to itself, and one of its types is React's.
const types = readFileSync(`${place}/node_modules/@inboundemail/sdk/dist/index.d.ts`, "utf8");
const older = `${place}/older.d.ts`;
const names = [...types.matchAll(OLDER)].map((each) => each[1]);
writeFileSync(older, types.replace(/^import .*$/m, "").replace(/React\.[\w<>]+( \| React\.[\w<>]+)*/g, "any").replace(/^interface /gm, "export interface "));
read(older, names);
process.stdout.write(JSON.stringify(schemas));
