import { UserError } from "../userError";
import { tellStory } from "./story";

tellStory().then(
  ({ story }) => {
    const isKept = story.errors === 0 && story.lostWrites === 0;
    console.log(`demo: ${isKept ? "ok" : "people noticed"} ${JSON.stringify(story)}`);
    if (!isKept) process.exitCode = 1;
  },
  (error: unknown) => {
    console.error(error instanceof UserError ? `\n${error.message}` : error);
    process.exitCode = 1;
  },
);
