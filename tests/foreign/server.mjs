// Runs calls to snarkjs and solc in one process, since starting Node.js takes longer than most calls.
// In: one JSON object a line, {"call": "groth16.verify", "args": [...]} or {"solc": <standard JSON input>}.
// Out: one JSON object a line, {"result": ...} or {"error": "..."}; bytes are hexadecimal, big integers decimal.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const snarkjs = require("snarkjs");
const { buildBn128 } = require("ffjavascript");
const log = console.log;
console.log = (...words) => console.error(...words);

const plain = (key, value) =>
  typeof value === "bigint" ? value.toString()
    : value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;

const logged = [];
const logger = { debug() {}, info(text) { logged.push(text); }, warn(text) { logged.push(text); }, error(text) { logged.push(text); } };

async function answer({ call, args = [], solc }) {
  if (solc) return JSON.parse(require("solc").compile(JSON.stringify(solc)));
  if (call === "powersOfTau.newAccumulator") args = [await buildBn128(), ...args];
  const [group, name] = call.split(".");
  return snarkjs[group][name](...args.map((a) => (a === "$logger" ? logger : a)));
}

for await (const line of createInterface({ input: process.stdin })) {
  logged.length = 0;
  let reply;
  try {
    reply = { result: await answer(JSON.parse(line)) ?? null, logged };
  } catch (error) {
    reply = { error: String(error.stack ?? error), logged };
  }
  log(JSON.stringify(reply, plain));
}
process.exit(0);
