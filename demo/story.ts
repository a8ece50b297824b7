import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectToPostgres } from "../kube/postgres";
import { choose, contextOf, environmentOf } from "../local/environment";
import { cachePaths, cacheRoot } from "../local/paths";
import { prioritise } from "../local/priority";
import { configure, type PulumiStack } from "../local/pulumiStack";
import { UserError } from "../userError";
import { createCaller } from "./load/call";
import { checkHistory } from "./load/checkHistory";
import { type Load, type LoadResult, startLoad } from "./load/load";
import { demoStack, outputsOf, preview, startAfresh, up } from "./stacks";
import { type Step, type Story, summarise, type Told } from "./summary";

/** How many requests a second people make, reads and writes together. */
const ratePerSecond = 45;
/** People have machines of their own: being late here would count as the application's slowness. */
const nicenessOfPeople = -10;
/** A new Service answers within a second or two. */
const longestOpeningSeconds = 30;
/** The first requests meet processes that have just started: they are part of no comparison. */
const warmUpSeconds = 5;
/** How long they are watched before anything changes: what is quiet is measured, not assumed. */
const quietSeconds = 25;

/**
 * The talk's whole story, on real stacks: production serves 1.0.0; a pull request raises the release;
 * staging proves it on a clone of production; production takes it, goes back, takes it again, and
 * gives up the old columns, while people use it all the time.
 */
export async function tellStory(): Promise<Told> {
  const started = performance.now();
  const paths = cachePaths(cacheRoot(process.env));
  const environment = environmentOf(paths);
  // What this process asks the cluster itself goes where Pulumi goes.
  Object.assign(process.env, environment);
  const artefacts = path.join(paths.root, "demo");
  await rm(artefacts, { recursive: true, force: true });
  await mkdir(artefacts, { recursive: true });
  const staging = demoStack(paths, environment, "staging");
  const prod = demoStack(paths, environment, "prod");
  const steps: Step[] = [];
  const log = (name: string): string => path.join(artefacts, `${steps.length + 1}-${name}.log`);
  const note = (what: string, seconds: number): void => {
    steps.push({ what, seconds });
  };
  const run = async (what: string, stack: PulumiStack, name: string): Promise<void> => {
    note(what, await up(stack, log(name)));
  };

  say("A fresh start", "Whatever an earlier demo left is removed.");
  await startAfresh([staging, prod], contextOf(choose(paths, process.env)));

  say("Production gets release 1.0.0", "pulumi up --stack prod");
  await run("Production: release 1.0.0 from nothing", prod, "prod-1.0.0");
  const { page, database } = await outputsOf(prod);
  const connect = () => connectToPostgres(database, 30, "stateful-cd demo");

  await untilItAnswers(page);
  say("People use it", `${ratePerSecond} requests a second at ${page}, from now to the end.`);
  const { measured, history } = await whilePeopleUse(page, async (load) => {
    await sleep(warmUpSeconds * 1000);
    load.mark("quiet");
    await sleep(quietSeconds * 1000);
    load.mark("previews");

    say("A pull request raises the release to 2.0.0", "pulumi preview --stack staging");
    await configure(staging, { release: "2.0.0" });
    show(await preview(staging, log("preview-staging")));
    await configure(prod, { release: "2.0.0" });
    say("Production would refuse it now", "pulumi preview --stack prod");
    await expectRefusal(prod, log("preview-prod"));

    say(
      "Staging runs 2.0.0 on a clone of production's volume",
      "pulumi up --stack staging. UNMASKED: this clone shows real contacts; masking is another issue.",
    );
    load.mark("staging");
    await run("Staging: 2.0.0 on a clone, its data compared with production's", staging, "staging");

    say("Production takes 2.0.0", "One changed line, then pulumi up --stack prod.");
    load.mark("up");
    await run("Production: to 2.0.0, both releases serving", prod, "prod-2.0.0");

    say("And back", "The old columns are still there and still right: 1.0.0 serves again.");
    load.mark("back");
    await configure(prod, { release: "1.0.0" });
    await run("Production: back to 1.0.0", prod, "prod-back");

    say("And forward again", "pulumi up --stack prod");
    load.mark("up");
    await configure(prod, { release: "2.0.0" });
    await run("Production: to 2.0.0 again", prod, "prod-again");

    say(
      "The old columns stay as long as somebody uses them",
      "Why they do is an output of the stack:",
    );
    for (const reason of (await outputsOf(prod)).waiting) console.log(`  ${reason}`);

    say(
      "The old release is gone: contract",
      "Whoever had a page of 1.0.0 open has loaded it anew. pulumi up --stack prod.",
    );
    load.mark("contract");
    load.reload();
    await run("Production: the old columns are given up", prod, "prod-contract");
    await ensureContracted(prod);
  });
  const checked = await checkHistory(history, connect);
  const stagingRelease = (await outputsOf(staging)).release;
  const prodRelease = (await outputsOf(prod)).release;
  const story: Story = {
    prodRelease,
    stagingRelease,
    requests: measured.requests,
    errors: measured.errors,
    lostWrites: checked.lostWrites + checked.doubledWrites,
    longestStallMs: measured.longestStallMs,
    seconds: Math.round((performance.now() - started) / 1000),
  };
  const told = { story, measured, checked, steps, page };
  await keep(artefacts, told);
  return told;
}

/** Runs something while people use the page. They leave and the priorities are as before, however it ends. */
async function whilePeopleUse(
  page: string,
  story: (load: Load) => Promise<void>,
): Promise<LoadResult> {
  const beAsBefore =
    process.getuid?.() === 0 ? prioritise(process.pid, nicenessOfPeople) : () => undefined;
  try {
    const load = startLoad({ url: page, ratePerSecond });
    try {
      await story(load);
    } catch (error) {
      await load.stop();
      throw error;
    }
    return await load.stop();
  } finally {
    beAsBefore();
  }
}

/** A node sends to a new Service a moment after the cluster has it: nobody is there before the page is. */
async function untilItAnswers(page: string): Promise<void> {
  const caller = createCaller(page);
  const deadline = Date.now() + longestOpeningSeconds * 1000;
  for (;;) {
    const { answer, failure = `status ${answer?.status}` } = await caller.call({
      method: "GET",
      path: "/",
    });
    if (answer?.status === 200) break;
    if (Date.now() > deadline) {
      throw new UserError(`${page} does not answer.`, [failure], "make status");
    }
    await sleep(100);
  }
  caller.close();
}

/** In a preview already, with the reason: that is the point of the gate. */
async function expectRefusal(prod: PulumiStack, log: string): Promise<void> {
  const { refusal } = await preview(prod, log);
  if (refusal === undefined) {
    throw new UserError("Production's preview let an unproved release pass.", [], `read ${log}`);
  }
  for (const line of refusal) console.log(`  ${line}`);
}

async function ensureContracted(prod: PulumiStack): Promise<void> {
  const { waiting } = await outputsOf(prod);
  if (waiting.length === 0) return;
  throw new UserError(
    "The old columns are still there.",
    [...waiting],
    "pulumi up --stack prod once these are gone",
  );
}

function show({ plan, refusal }: { plan: readonly string[]; refusal: string[] | undefined }): void {
  if (refusal !== undefined) {
    throw new UserError("The preview of staging failed.", refusal, "make status");
  }
  for (const line of plan) console.log(`  ${line}`);
}

async function keep(folder: string, told: Told): Promise<void> {
  const { measured, checked } = told;
  const summary = summarise(told);
  const load = JSON.stringify({ measured, checked }, undefined, 2);
  await writeFile(path.join(folder, "load.json"), `${load}\n`);
  await writeFile(path.join(folder, "summary.md"), summary);
  console.log(`\n${summary}\nKept in ${folder}: summary.md, load.json, and what Pulumi said.`);
}

function say(title: string, text: string): void {
  console.log(`\n${title}\n  ${text}`);
}
