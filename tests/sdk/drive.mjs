// Calls the published client as its users do: `node drive.mjs KEY ADDRESS '[["domain.get", ["dom_..."]], ...]'`.
import { Inbound } from "@inboundemail/sdk";

const [key, address, calls] = process.argv.slice(2);
const inbound = new Inbound(key, address);
const answers = [];
for (const [name, given] of JSON.parse(calls)) {
  const method = name.split(".").reduce((at, part) => at[part], inbound);
  answers.push(await method(...given));
}
process.stdout.write(JSON.stringify(answers));
