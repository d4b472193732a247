// node next.mjs FROM TO: the sources of src/Cluster as a later version could have them: every contract has a member that this version has never heard of.
import fs from "node:fs";
import path from "node:path";

const [from, to] = process.argv.slice(2);
const contract = /(\[GenerateSerializer[^\n]*Alias\("[^"]+"\)\]\npublic sealed (?:record|class) \w+\n\{\n)/g;
let contracts = 0;
fs.rmSync(to, { recursive: true, force: true });
for (const entry of fs.readdirSync(from, { recursive: true, withFileTypes: true })) {
  const source = path.join(entry.parentPath, entry.name);
  const place = path.relative(from, source);
  if (!entry.isFile() || !entry.name.endsWith(".cs") || /^(obj|bin)\//.test(place)) continue;
  const text = fs.readFileSync(source, "utf8").replace(contract, head => {
    contracts++;
    return head + '    [Id(1000)] public string Later { get; set; } = "of the next version";\n\n';
  });
  fs.mkdirSync(path.dirname(path.join(to, place)), { recursive: true });
  fs.writeFileSync(path.join(to, place), text);
}
if (contracts < 20) throw new Error(`only ${contracts} contracts were found: their shape has changed, and nothing would be tested`);
fs.writeFileSync(path.join(to, "done"), `${contracts}\n`);
console.log(`${contracts} contracts have a member more`);
