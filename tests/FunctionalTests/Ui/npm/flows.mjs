// Goes through every flow of the pages in a real browser, against a running gateway. In: one JSON object on standard input
// { address, adminKey, model, full, lean, job, shots }. Out: one JSON line a flow { flow, problem? }, screenshots in the folder shots.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";

const given = JSON.parse(await text(process.stdin));
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wait = 90_000;
const views = ["models", "jobs", "jobs/" + given.job, "compare", "live", "keys", "recording", "events"];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const check = (holds, message) => { if (!holds) throw new Error(message); };

async function signedIn(page) {
  await page.goto(given.address + "/admin");
  await page.getByLabel("Admin key").fill(given.adminKey);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: given.model }).waitFor();
}

/** Opens a view and waits until it stands still: nothing asked for, no "Asking …". */
async function open(page, view) {
  await page.evaluate(hash => { location.hash = hash; }, "#/" + view);
  await page.locator("main section, main form").first().waitFor();
  await page.getByText("Asking …").waitFor({ state: "detached" });
}

const activeRow = page => page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: given.lean, exact: true }) });

const flows = {
  /** Under 300 kB with all that belongs to it, and there in a second; of twenty loads the quickest counts, since the machine has other work. */
  async loads(page) {
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    const sizes = [];
    page.on("requestfinished", request => sizes.push(request.sizes()));
    for (const place of ["/", "/admin"]) {
      let [quickest, transferred] = [Infinity, 0];
      for (let load = 0; load < 20 && quickest >= 1000; load++) {
        sizes.length = 0;
        await page.goto(given.address + place, { waitUntil: "networkidle" });
        transferred = (await Promise.all(sizes)).reduce((all, size) => all + size.responseBodySize, 0);
        quickest = Math.min(quickest, await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd));
      }
      console.error(`${place}: ${transferred} bytes, ${Math.round(quickest)} ms`);
      check(transferred > 10_000 && transferred < 300_000, `${place} is ${transferred} bytes`);
      check(quickest > 0 && quickest < 1000, `${place} takes ${quickest} ms`);
    }
  },

  async chat(page) {
    await page.goto(given.address + "/");
    check(!(await page.getByRole("button", { name: "Send" }).isEnabled()), "an empty message can be sent");
    await page.getByLabel("Your message").fill("Tell me one thing about rain.");
    await page.keyboard.press("Enter");
    await page.getByText(/tok\/s/).waitFor();
    await page.locator("section[aria-busy=false]").waitFor();
    check((await page.locator(".message.assistant .text").innerText()).length > 0, "the answer is not shown");
    await page.getByRole("button", { name: "New conversation" }).click();
    check(await page.locator(".message").count() === 0, "the conversation is still there");
  },

  async reference(page) {
    const asked = [];
    page.on("request", request => asked.push(request.url()));
    const response = await page.goto(given.address + "/reference", { waitUntil: "networkidle" });
    check(/connect-src 'self'/.test(response.headers()["content-security-policy"]), "the reference has no content security policy");
    await page.getByText("Prune jobs", { exact: true }).first().click();
    await page.getByText("Order a prune job").first().waitFor();
    await page.getByText("Chat, whole or streamed", { exact: false }).first().waitFor();
    const strange = asked.filter(url => !url.startsWith(given.address) && !/^(data|blob):/.test(url));
    check(strange.length === 0, "the reference asks elsewhere: " + strange.join(" "));
  },

  async stop(page) {
    await page.goto(given.address + "/");
    await page.getByLabel("Your message").fill("Write a very long story about the sea.");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator(".message.assistant .text").filter({ hasText: /\w+ \w+/ }).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Stop" }).and(page.locator(":disabled")).waitFor();
  },

  async signIn(page) {
    await page.goto(given.address + "/admin");
    await page.getByLabel("Admin key").fill("not-the-key-at-all");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await signedIn(page);
    await page.reload();
    await page.getByRole("heading", { name: given.model }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin key").waitFor();
    check(await page.evaluate(() => sessionStorage.length + localStorage.length) === 0, "something of the session is kept");
  },

  async rollBackAndPromote(page) {
    await signedIn(page);
    const row = activeRow(page);
    await row.getByText("active", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Roll back" }).click();
    await page.keyboard.press("Escape");
    check(await row.getByText("active", { exact: true }).isVisible(), "Escape is not no");
    await page.getByRole("button", { name: "Roll back" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
    await row.getByText(/rolled back|rolling back/).waitFor();
    await row.getByRole("button", { name: "Promote" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Promote" }).click();
    await row.getByText("active", { exact: true }).waitFor();
  },

  async job(page) {
    await signedIn(page);
    await open(page, "jobs/" + given.job);
    await page.getByText("The gate: passed").waitFor();
    await page.getByRole("region", { name: "Gate checks" }).getByRole("row").nth(3).waitFor();
    check((await page.getByRole("img", { name: /blocks; \d+ sublayers removed/ }).getAttribute("aria-label")).includes("30 blocks"), "the picture does not show 30 blocks");
    // A column a sublayer, each with a cell for every KV group or slice, what is left by how much it matters.
    const map = page.getByRole("region", { name: "Parts of the model by block" });
    check(await map.locator("g").count() === 60, "the map has not two columns a block");
    check(await map.locator("rect").count() >= 60, "the map has fewer cells than sublayers");
    check(await map.locator('rect[fill="var(--gone)"]').count() > 0, "nothing is marked as removed");
    check(await map.locator('rect[fill^="color-mix"]').count() > 0, "nothing is coloured by its sensitivity");
    await page.getByRole("img", { name: /Distance by megabytes removed: \d/ }).waitFor();
    await page.getByRole("rowheader", { name: "File", exact: true }).waitFor();
  },

  async orderAndCancel(page) {
    await signedIn(page);
    await open(page, "jobs/new/" + given.model);
    await page.getByLabel("Budget in").selectOption("bytes");
    await page.getByLabel("Remove (MB)").fill("5");
    await page.getByText(/about 5\.0 MB go/).waitFor();
    await page.getByLabel("Budget in").selectOption("fraction");
    await page.getByLabel("Remove (%)").fill("40");
    await page.getByText("Limits of the gate").click();
    await page.getByLabel("Mean KL at most (nats a token)").fill("0.2");
    await page.getByLabel("Serve the lean version at once").uncheck();
    await page.getByRole("button", { name: "Start the job" }).click();
    await page.getByRole("button", { name: "Cancel" }).waitFor();
    await page.getByRole("status").getByText(/step \d+ of \d+/).waitFor();
    await page.getByRole("progressbar").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("heading").getByText("cancelled", { exact: true }).waitFor();
    await open(page, "jobs");
    await page.getByRole("region", { name: "Jobs" }).getByText("cancelled").first().waitFor();
  },

  async compare(page) {
    await signedIn(page);
    await open(page, "compare");
    await page.getByRole("button", { name: "Load " + given.full }).click();
    await page.getByLabel("Left").locator(`option[value="${given.full}"]`).waitFor({ state: "attached" });
    await page.getByLabel("Left").selectOption(given.full);
    await page.getByLabel("Right").selectOption(given.lean);
    await page.getByLabel("Prompt").fill("Name three colours.");
    await page.getByRole("button", { name: "Ask both" }).click();
    for (const version of [given.full, given.lean]) {
      const answer = page.getByRole("region", { name: version, exact: true });
      await answer.getByText(/ended: (stop|length)/).waitFor();
      check((await answer.locator(".text").innerText()).length > 0, `no answer of ${version}`);
    }
  },

  async trial(page) {
    await signedIn(page);
    await page.getByText(`${given.full} is on trial`).waitFor();
    await page.getByRole("slider").fill("30");
    await page.getByRole("button", { name: "Set the share" }).click();
    await page.getByText(new RegExp(`go to ${given.full}: 30 %`)).waitFor();
    await page.getByRole("button", { name: "Hold" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Hold" }).click();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "End the trial" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "End the trial" }).click();
    await page.getByRole("heading", { name: /on trial/ }).waitFor({ state: "detached" });
  },

  async live(page) {
    await signedIn(page);
    await open(page, "live").catch(() => {});
    await page.locator(".uplot canvas").first().waitFor();
    for (const name of ["Requests", "Time to first token", "Output tokens", "Waiting in the queue", "Memory ledger"]) await page.getByRole("region", { name, exact: true }).waitFor();
  },

  async keys(page) {
    await signedIn(page);
    await open(page, "keys");
    await page.getByLabel("Name").fill("browser test");
    await page.getByLabel("Tokens a day").fill("5000");
    await page.getByRole("button", { name: "Make the key" }).click();
    const shown = page.getByRole("status").locator("code");
    await shown.waitFor();
    check((await shown.innerText()).startsWith("fc-"), "the key is not shown");
    const row = page.getByRole("row").filter({ hasText: "browser test" });
    await row.getByText(/Tokens a day: 5,?000/).waitFor();
    await row.getByRole("button", { name: "Disable" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
    await row.getByRole("button", { name: "Enable" }).waitFor();
    await row.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await row.waitFor({ state: "detached" });
  },

  async recording(page) {
    await signedIn(page);
    await open(page, "recording");
    await page.getByRole("button", { name: "Stop recording" }).click();
    await page.getByRole("button", { name: "Record", exact: true }).click();
    await page.getByRole("button", { name: "Stop recording" }).waitFor();
    await page.getByRole("button", { name: "Purge" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Purge" }).click();
    await page.locator(".tile").filter({ hasText: "conversations" }).locator("b").filter({ hasText: /^0$/ }).waitFor();
  },

  async events(page) {
    await signedIn(page);
    await open(page, "events");
    await page.getByRole("cell", { name: new RegExp(given.model) }).first().waitFor();
  },

  async accessible(page) {
    const problems = [];
    const inspect = async name => {
      // By evaluation, which the page's content policy does not bar.
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document));
      for (const found of violations.filter(violation => ["serious", "critical"].includes(violation.impact))) problems.push(`${name}: ${found.id} (${found.nodes.map(node => node.target.join(" ")).slice(0, 3).join("; ")})`);
    };
    for (const theme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: theme });
      await page.goto(given.address + "/");
      await page.getByLabel("Your message").waitFor();
      await inspect(`chat ${theme}`);
      if (theme === "light") await signedIn(page); else await page.goto(given.address + "/admin");
      for (const view of views) {
        await open(page, view).catch(() => {});
        await inspect(`${view} ${theme}`);
        await page.screenshot({ path: path.join(given.shots, `${view.replaceAll("/", "-")}-${theme}.png`), fullPage: true });
      }
    }
    check(problems.length === 0, problems.join("\n"));
  },

  async phone(page) {
    await page.setViewportSize({ width: 390, height: 800 });
    await signedIn(page);
    for (const view of views) {
      await open(page, view).catch(() => {});
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      await page.screenshot({ path: path.join(given.shots, `${view.replaceAll("/", "-")}-phone.png`), fullPage: true });
      check(wide <= 390, `${view} is ${wide} pixels wide`);
    }
  },

  async keyboard(page) {
    await signedIn(page);
    await page.evaluate(() => document.activeElement?.blur());
    const seen = [];
    for (let step = 0; step < 20 && !seen.includes("Events"); step++) {
      await page.keyboard.press("Tab");
      seen.push(await page.evaluate(() => document.activeElement?.textContent ?? ""));
    }
    check(seen.includes("Events"), `Tab does not reach the views: ${seen.join(", ")}`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Events" }).waitFor();
  },
};

for (const [flow, go] of Object.entries(flows)) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
  context.setDefaultTimeout(wait);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", error => errors.push(error.message));
  let problem = null;
  try {
    await go(page);
    if (errors.length > 0) problem = errors.join("\n");
  } catch (error) {
    problem = [error.message, ...errors].join("\n");
    await page.screenshot({ path: path.join(given.shots, `${flow}-failed.png`) }).catch(() => {});
  }
  await context.close();
  console.log(JSON.stringify({ flow, problem }));
}
await browser.close();
