import { UserError } from "../userError";
import { tellStory } from "./story";

tellStory().then(
  ({ story }) => {
    console.log(`demo: ok ${JSON.stringify(story)}`);
  },
  (error: unknown) => {
    console.error(error instanceof UserError ? `\n${error.message}` : error);
    process.exitCode = 1;
  },
);
