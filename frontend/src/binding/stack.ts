// diagram-js' command stack without its stack: commands run as ever, but what can be undone is kept by history.ts. Native undo would
// revert colleagues' edits and throws on shapes they removed.
import CommandStack from "diagram-js/lib/command/CommandStack";
import type { History } from "./history.ts";

export class OwnStack extends (CommandStack as unknown as new (eventBus: unknown, injector: unknown) => object) {
  static $inject = ["eventBus", "injector"];
  history: History | null = null;
  /** Called after an undo or redo, with what was left alone. */
  onTurned: (left: number) => void = () => undefined;

  canUndo(): boolean {
    return this.history?.canUndo ?? false;
  }

  canRedo(): boolean {
    return this.history?.canRedo ?? false;
  }

  undo(): void {
    const outcome = this.history?.undo();
    if (outcome) this.onTurned(outcome.left);
  }

  redo(): void {
    const outcome = this.history?.redo();
    if (outcome) this.onTurned(outcome.left);
  }

  // The stack calls this after each command; keeping nothing here is the point.
  _executedAction(): void {
    return;
  }
}
