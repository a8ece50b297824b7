import { Outdated, Unreachable } from "./calls";
import { byId, setText } from "./elements";

const notice = byId("offline", HTMLElement);
const retryMs = 4_000;
let retrying: ReturnType<typeof setTimeout> | undefined;
let retry: () => void = () => undefined;

/** @param action what to try again: on its own, when asked to, and when the network is back */
export function startReachability(action: () => void): void {
  retry = action;
  byId("retry", HTMLButtonElement).addEventListener("click", () => {
    retry();
  });
  window.addEventListener("online", action);
}

/**
 * Reads from the service; where that cannot be, the page says so and tries again.
 * @param hasOldData whether something is on the page that may be out of date by now
 */
export async function tellIfUnreachable(
  hasOldData: boolean,
  read: () => Promise<void>,
): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (error instanceof Outdated) showOutdated(error.message);
    else if (error instanceof Unreachable) showUnreachable(hasOldData);
    else throw error;
  }
}

function showUnreachable(hasOldData: boolean): void {
  const what = navigator.onLine
    ? "BBQ Bookkeeper cannot be reached at the moment."
    : "You are offline.";
  const old = hasOldData ? " What you see may be out of date." : "";
  if (notice.hidden) setText(notice, "p", `${what}${old} Trying again every few seconds.`);
  notice.hidden = false;
  clearTimeout(retrying);
  retrying = setTimeout(retry, retryMs);
}

/** Says that this page cannot go on, and offers to load the one that is served now. */
function showOutdated(why: string): void {
  setText(notice, "p", why);
  setText(notice, "button", "Reload");
  notice.hidden = false;
  clearTimeout(retrying);
  retry = () => {
    location.reload();
  };
}

export function showReachable(): void {
  clearTimeout(retrying);
  notice.hidden = true;
}
