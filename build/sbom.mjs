// Software bill of materials of a published folder, as CycloneDX 1.6 on standard output: the NuGet packages that its *.deps.json name, the npm packages that are
// built into it, and the models beside it. Nothing is asked of the network, and the same folder gives the same bytes. Usage: node build/sbom.mjs FOLDER
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");
const [folder] = process.argv.slice(2);
if (!folder || !existsSync(folder)) {
  console.error("usage: node build/sbom.mjs FOLDER, where FOLDER is what dotnet publish made");
  process.exit(2);
}

const json = file => JSON.parse(readFileSync(file, "utf8"));
const files = (place, wanted) => readdirSync(place, { withFileTypes: true }).flatMap(entry =>
  entry.isDirectory() ? entry.name === "node_modules" ? [] : files(path.join(place, entry.name), wanted) : wanted(entry.name) ? [path.join(place, entry.name)] : []);
const components = new Map();
const add = component => components.set(component["bom-ref"], component);
const sha512 = base64 => ({ alg: "SHA-512", content: Buffer.from(base64, "base64").toString("hex") });

/** The licence that a package's own manifest in the local cache states, where it is an SPDX expression. */
function nugetLicence(name, version) {
  const cache = process.env.NUGET_PACKAGES ?? path.join(homedir(), ".nuget", "packages");
  const manifest = path.join(cache, name.toLowerCase(), version.toLowerCase(), `${name.toLowerCase()}.nuspec`);
  return existsSync(manifest) ? /<license type="expression">([^<]+)</.exec(readFileSync(manifest, "utf8"))?.[1] : undefined;
}

const licences = expression => expression ? { licenses: [{ expression }] } : {};
let version;
for (const file of files(folder, name => name.endsWith(".deps.json"))) {
  const libraries = json(file).libraries;
  version ??= Object.keys(libraries).find(name => name.startsWith("finercut/"))?.split("/")[1];
  for (const [id, library] of Object.entries(libraries).filter(([, library]) => library.type === "package")) {
    const [name, of] = id.split("/");
    const purl = `pkg:nuget/${name}@${of}`;
    add({ type: "library", "bom-ref": purl, name, version: of, purl, ...(library.sha512 ? { hashes: [sha512(library.sha512.replace(/^sha512-/, ""))] } : {}), ...licences(nugetLicence(name, of)) });
  }
}

const natives = files(folder, name => /llama/.test(name) && /\.(so|dll|dylib)/.test(name)).some(file => file.includes("natives"));
const platform = `${{ darwin: "mac", win32: "win" }[process.platform] ?? process.platform}-${process.arch}`;
// Natives of another backend may be installed beside those that went into the folder.
const backend = /ggml-(cuda|vulkan)/.exec(files(folder, name => /ggml-(cuda|vulkan)\b/.test(name))[0] ?? "")?.[1];
const ofBackend = new RegExp(`/${platform}${backend ? `-${backend}(-ext)?` : ""}$`);
for (const lock of files(path.join(root, "src"), name => name === "package-lock.json")) {
  for (const [place, entry] of Object.entries(json(lock).packages)) {
    // Of natives for several platforms the one that is installed goes into the folder, the CUDA ones only where the build asked for them.
    if (place === "" || entry.dev || !existsSync(path.join(path.dirname(lock), place))) continue;
    const name = place.replace(/^.*node_modules\//, "");
    if (name.startsWith("@node-llama-cpp/") && !(natives && ofBackend.test(name))) continue;
    const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${entry.version}`;
    add({ type: "library", "bom-ref": purl, name, version: entry.version, purl, hashes: [sha512(entry.integrity.replace(/^sha512-/, ""))], ...licences(entry.license) });
  }
}

for (const file of files(folder, name => name.endsWith(".gguf"))) {
  const name = path.basename(file);
  add({ type: "machine-learning-model", "bom-ref": `model:${name}`, name, hashes: [{ alg: "SHA-256", content: createHash("sha256").update(readFileSync(file)).digest("hex") }] });
}

console.log(JSON.stringify({
  bomFormat: "CycloneDX",
  specVersion: "1.6",
  version: 1,
  metadata: { component: { type: "application", "bom-ref": "finercut", name: "FinerCut.Gateway", version, ...licences("Apache-2.0") } },
  components: [...components.values()].sort((one, other) => one["bom-ref"] < other["bom-ref"] ? -1 : 1),
}, null, 1));
