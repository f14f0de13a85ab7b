// snarkjs as a peer: JSON lines in, {"do": "setup" | "prove" | "verify", ...}; JSON lines out, with the seconds each took.
// usage: node snarkjs_driver.mjs NODE_MODULES
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import path from "node:path";

const modules = path.resolve(process.argv[2]);
const require = createRequire(path.join(modules, "anything.js"));
const snarkjs = require("snarkjs");
const { version } = require(path.join(modules, "snarkjs", "package.json"));
const single = { singleThread: true };
let key, proved, verifyingKey;

const requests = {
  async setup({ zkey, wtns }) {
    key = { zkey, wtns };
    verifyingKey = await snarkjs.zKey.exportVerificationKey(zkey);
    return { label: `snarkjs ${version}` };
  },
  async prove() {
    proved = await snarkjs.groth16.prove(key.zkey, key.wtns, undefined, single);
    return {};
  },
  async verify() {
    const good = await snarkjs.groth16.verify(verifyingKey, proved.publicSignals, proved.proof);
    if (!good) throw new Error("snarkjs refuses its own proof");
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...rest } = JSON.parse(line);
  let answer;
  try {
    const start = process.hrtime.bigint();
    answer = await requests[name](rest);
    answer.seconds = Number(process.hrtime.bigint() - start) / 1e9;
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
