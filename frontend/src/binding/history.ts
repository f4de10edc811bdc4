// Undo and redo that are mine alone: each command of this editor is kept as the registers it wrote, with the values before and after.
// Undo writes the value before only where the register still has the value after and nobody else wrote it since, not even the same
// value; what a colleague changed stays theirs.
import { same, type Change, type DocumentStore, type Touched, type Written } from "../document/store.ts";

const KEPT = 200;

/** What an undo or redo did, to be told in words. */
export interface Outcome {
  done: number;
  /** Registers somebody else changed meanwhile: left alone. */
  left: number;
}

interface Step extends Written {
  /** Somebody else wrote this register since. */
  taken?: boolean;
}

export class History {
  private readonly done: Step[][] = [];
  private readonly undone: Step[][] = [];
  /** Stops listening. */
  readonly close: () => void;

  constructor(
    private readonly store: DocumentStore,
    private readonly origin: unknown,
  ) {
    this.close = store.onChange((touched, _, local) => {
      if (!local) this.yield(touched);
    });
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  record(written: Written[]): void {
    if (written.length === 0) return;
    this.done.push(written);
    if (this.done.length > KEPT) this.done.shift();
    this.undone.length = 0;
  }

  undo(): Outcome | null {
    return this.turn(this.done, this.undone, (one) => ({ ...one, before: one.after, after: one.before }));
  }

  redo(): Outcome | null {
    return this.turn(this.undone, this.done, (one) => ({ ...one, before: one.after, after: one.before }));
  }

  private yield(touched: Touched): void {
    for (const step of [...this.done, ...this.undone])
      for (const one of step) {
        const registers = touched.get(one.key);
        if (registers === null || registers?.has(one.register)) one.taken = true;
      }
  }

  private turn(from: Step[][], to: Step[][], back: (one: Written) => Written): Outcome | null {
    const step = from.pop();
    if (!step) return null;
    const mine = step.filter(
      ({ key, register, after, taken }) => !taken && same(this.store.record(key)?.[register], after),
    );
    const changes: Change[] = mine.map(({ key, register, before }) => ({ key, register, value: before ?? null }));
    this.store.write(changes, this.origin);
    if (mine.length > 0) to.push(mine.map(back));
    return { done: mine.length, left: step.length - mine.length };
  }
}
