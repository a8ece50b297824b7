import { UserError } from "../userError";
import { tellStory } from "./story";

// Whatever ends this process before the story is told, it has failed.
process.exitCode = 1;

tellStory().then(
  ({ story }) => {
    const isKept = story.errors === 0 && story.lostWrites === 0;
    console.log(`demo: ${isKept ? "ok" : "people noticed"} ${JSON.stringify(story)}`);
    if (isKept) process.exitCode = 0;
  },
  (error: unknown) => {
    console.error(error instanceof UserError ? `\n${error.message}` : error);
  },
);
