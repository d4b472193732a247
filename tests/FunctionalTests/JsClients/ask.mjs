// What the clients are asked, and where. FINERCUT_BASE answers, FINERCUT_EMBEDDINGS embeds.
import assert from "node:assert/strict";
import { z } from "zod";

export const base = process.env.FINERCUT_BASE;
export const embeddings = process.env.FINERCUT_EMBEDDINGS;
export const model = process.env.FINERCUT_MODEL;
export const question = "What is the weather in Paris?";
export const city = z.object({ city: z.string().max(16), days: z.number().int().min(1).max(7) });

export function isCity(value) {
  assert.equal(typeof value.city, "string");
  assert.ok(Number.isInteger(value.days) && value.days >= 1 && value.days <= 7, `days is ${value.days}`);
}

/** Runs named checks one after the other and ends the process with the number that failed. */
export async function run(checks) {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}: ${error?.stack ?? error}`);
    }
  }
  process.exit(failed);
}
