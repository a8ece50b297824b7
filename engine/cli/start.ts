import path from "node:path";
import { compileProgram } from "./compiledProgram";
import type * as Program from "./main";

/** The bundle of main.ts: beside the bundle that this file is in. */
const program = compileProgram(path.join(__dirname, "migrationsProgram.js"));

(program.load() as typeof Program).start(process.argv.slice(2));
