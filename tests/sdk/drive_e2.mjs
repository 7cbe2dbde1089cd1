// Calls the newer published client as its users do: `node drive_e2.mjs KEY ADDRESS '[["domains.retrieve", ["dom_..."]], ...]'`.
import Inbound from "inboundemail";

const [apiKey, baseURL, calls] = process.argv.slice(2);
const inbound = new Inbound({ apiKey, baseURL, maxRetries: 0 });
const answers = [];
for (const [name, given] of JSON.parse(calls)) {
  const [part, method] = name.split(".");
  try {
    answers.push({ data: await inbound[part][method](...given) });
  } catch (problem) {
    answers.push({ error: { status: problem.status, body: problem.error, message: problem.message } });
  }
}
process.stdout.write(JSON.stringify(answers));
