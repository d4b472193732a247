// Prints what is wrong with a CycloneDX 1.6 file by its schema, as a JSON array of lines. Usage: node check-sbom.mjs FILE
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
const require = createRequire(import.meta.url);
const Ajv = require('ajv').default;

const schemas = path.join(import.meta.dirname, 'node_modules/@cyclonedx/cyclonedx-library/res/schema');
const schema = (name) => JSON.parse(readFileSync(path.join(schemas, name), 'utf8'));
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
for (const name of ['spdx.SNAPSHOT.schema.json', 'jsf-0.82.SNAPSHOT.schema.json']) ajv.addSchema({ ...schema(name), $id: `http://cyclonedx.org/schema/${name}` });
const holds = ajv.compile(schema('bom-1.6.SNAPSHOT.schema.json'));
const fine = holds(JSON.parse(readFileSync(process.argv[2], 'utf8')));
console.log(JSON.stringify(fine ? [] : holds.errors.map((error) => `${error.instancePath}: ${error.message}`)));
