import type { Answer, Caller } from "./call";
import type { Release } from "./history";

const probeMs = 250;

/** Which APIs are served: release 1.0.0's from the start, 2.0.0's from the moment it answers. */
export class ServedReleases {
  readonly #caller: Caller;
  #isEarlierServed = true;
  #isLaterServed = false;
  #probing: NodeJS.Timeout | undefined;

  /** @param later what requests to release 2.0.0 go through: connections made when it answered */
  constructor(later: Caller) {
    this.#caller = later;
    this.#probe();
  }

  /** The release for the next request: both in turn while both are served. */
  choose(turn: number): Release {
    if (!this.#isLaterServed) return "1.0.0";
    if (!this.#isEarlierServed) return "2.0.0";
    return (turn + Math.floor(turn / 20)) % 2 === 0 ? "1.0.0" : "2.0.0";
  }

  /**
   * Whether an answer says no more than that this release is not served (any more): then a browser
   * loads the page of the one that is, and it is no failed request.
   */
  isNotServed(release: Release, { status, text }: Answer): boolean {
    if (release === "1.0.0") {
      if (status !== 410) return false;
      this.#isEarlierServed = false;
      return true;
    }
    if (status !== 404 || !text.includes('"Not found"')) return false;
    this.#isLaterServed = false;
    this.#probe();
    return true;
  }

  /** Pages of the earlier release are loaded anew, as they are of the later one: nobody uses its API any more. */
  reload(): void {
    this.#isEarlierServed = false;
  }

  stop(): void {
    clearTimeout(this.#probing);
  }

  #probe(): void {
    clearTimeout(this.#probing);
    this.#probing = setTimeout(() => void this.#ask(), probeMs);
  }

  async #ask(): Promise<void> {
    const { answer } = await this.#caller.call({ method: "GET", path: "/api/v2/places" });
    this.#isLaterServed = answer?.status === 200;
    if (!this.#isLaterServed) this.#probe();
  }
}
