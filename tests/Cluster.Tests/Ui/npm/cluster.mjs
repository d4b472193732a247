// The cluster view in a real browser, against machines that run. In: one JSON object on standard input { address, adminKey, model, job, shots }. Ends with 0 where all holds; what does
// not is on standard error. Screenshots are left in the folder shots.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";

const given = JSON.parse(await text(process.stdin));
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const check = (holds, message) => { if (!holds) throw new Error(message); };
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", error => errors.push(error.message));
  await page.goto(given.address + "/admin");
  await page.getByLabel("Admin key").fill(given.adminKey);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Cluster", exact: true }).click();
  const table = page.getByRole("region", { name: "Machines", exact: true });
  const row = name => table.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
  for (const [name, roles] of [["edge", "edge"], ["both", "edge, host"], ["host", "host"]]) {
    await row(name).getByText("Active", { exact: true }).waitFor();
    await row(name).getByRole("cell", { name: roles, exact: true }).waitFor();
  }
  for (const name of ["both", "host"]) {
    await row(name).getByText(new RegExp(`${given.model}/full: ready`, "i")).waitFor();
    await row(name).getByText(/ of .*B$/).waitFor();
  }
  check(await row("edge").getByText(/\/full/).count() === 0, "the edge is shown with a worker");
  check(await table.getByRole("cell", { name: given.model, exact: true }).count() === 1, "the model has not one owner");
  await table.getByRole("link", { name: given.job, exact: true }).waitFor();
  await page.getByText(`${given.model}: owned by`).waitFor();
  await page.getByRole("button", { name: "Orleans dashboard" }).waitFor();
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document));
    const serious = violations.filter(violation => ["serious", "critical"].includes(violation.impact));
    check(serious.length === 0, `${theme}: ` + serious.map(found => `${found.id} (${found.nodes.map(node => node.target.join(" ")).slice(0, 3).join("; ")})`).join(", "));
    await page.screenshot({ path: path.join(given.shots, `cluster-${theme}.png`), fullPage: true });
  }
  await page.setViewportSize({ width: 390, height: 800 });
  await page.screenshot({ path: path.join(given.shots, "cluster-phone.png"), fullPage: true });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 390, `the view is ${wide} pixels wide on a phone`);
  check(errors.length === 0, errors.join("\n"));
} catch (error) {
  console.error(error.message);
  await browser.contexts()[0]?.pages()[0]?.screenshot({ path: path.join(given.shots, "cluster-failed.png") }).catch(() => {});
  process.exitCode = 1;
}
await browser.close();
