// Reproducible random numbers: the same seed gives the same documents.

export class Random {
  #state;

  constructor(seed) {
    // FNV-1a, so that seeds that look alike don't begin alike.
    this.#state = 0x811c9dc5;
    for (const sign of String(seed)) this.#state = Math.imul(this.#state ^ sign.codePointAt(0), 0x01000193);
  }

  /** A number from 0 to below 1 (mulberry32). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `end`. */
  below(end) {
    return Math.floor(this.next() * end);
  }

  /** True in so many cases of 1. */
  chance(share) {
    return this.next() < share;
  }

  pick(from) {
    return from[this.below(from.length)];
  }

  shuffled(from) {
    const all = [...from];
    for (let last = all.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [all[last], all[other]] = [all[other], all[last]];
    }
    return all;
  }
}

/** The seed of this run: that of the environment, or a new one. */
export function seed() {
  return process.env.SEED || String(Math.floor(Math.random() * 2 ** 32));
}
