import { build, type Histogram } from "hdr-histogram-js";

/** Requests of one phase or of one API. */
export interface Figures {
  readonly requests: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Counts requests and their latencies, measured from when each was meant to be sent. */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  });
  #errors = 0;

  record(milliseconds: number, isError: boolean): void {
    this.#histogram.recordValue(Math.round(milliseconds * 1_000));
    if (isError) this.#errors++;
  }

  add(other: Latencies): void {
    this.#histogram.add(other.#histogram);
    this.#errors += other.#errors;
  }

  get figures(): Figures {
    const at = (percentile: number) =>
      Math.round(this.#histogram.getValueAtPercentile(percentile) / 100) / 10;
    return {
      requests: this.#histogram.totalCount,
      errors: this.#errors,
      p50Ms: at(50),
      p99Ms: at(99),
      maxMs: at(100),
    };
  }
}
