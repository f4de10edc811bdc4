// One open editor: bpmn-js on one side, the document on the other. A command's difference is written in one transaction; whatever changes
// the document, here or elsewhere, is patched into the model and drawn. Drawing everything anew is the last resort and is counted.
import { Drawing, Redraw, type Stage } from "./draw.ts";
import { History } from "./history.ts";
import { Model } from "./model.ts";
import type { OwnStack } from "./stack.ts";
import type { DocumentStore } from "../document/store.ts";
import type { Canvas, Dragging, EventBus, Importer, Moddle, Registry, Selection, TextRenderer, Thing } from "./types.ts";

/** What bpmn-js' Modeler and NavigatedViewer have in common for us. */
export interface Viewer {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- diagram-js' own way to name a part
  get<T>(name: string, strict?: boolean): T;
  importDefinitions(definitions: Thing): Promise<{ warnings: unknown[] }>;
  saveSVG(): Promise<{ svg: string }>;
  saveXML(options: { format: boolean }): Promise<{ xml?: string }>;
  destroy(): void;
}

export class EditSession {
  readonly model: Model;
  /** How often everything had to be drawn anew. */
  redraws = 0;
  private readonly local = Symbol("local");
  private readonly stage: Stage;
  private drawing: Drawing;
  private readonly off: () => void;
  private importing: Promise<unknown> | null = null;
  private history: History | null = null;

  constructor(
    private readonly viewer: Viewer,
    private readonly store: DocumentStore,
    private readonly notice: (text: string) => void,
  ) {
    this.model = new Model(viewer.get<Moddle>("moddle"), store);
    this.stage = {
      canvas: viewer.get<Canvas>("canvas"),
      registry: viewer.get<Registry>("elementRegistry"),
      eventBus: viewer.get<EventBus>("eventBus"),
      importer: viewer.get<Importer>("bpmnImporter"),
      textRenderer: viewer.get<TextRenderer>("textRenderer"),
      selection: viewer.get<Selection>("selection"),
      dragging: viewer.get<Dragging | null>("dragging", false),
    };
    this.drawing = new Drawing(this.stage, this.model);
    this.off = store.onChange((_touched, origin) => {
      if (origin !== this.local) this.follow();
    });
  }

  async open(): Promise<void> {
    await this.viewer.importDefinitions(this.model.load());
    this.model.settle();
    const stack = this.viewer.get<OwnStack | null>("commandStack", false);
    if (!stack) return;
    const history = new History(this.store, "undo");
    this.history = history;
    stack.history = history;
    stack.onTurned = (left) => {
      if (left > 0) this.notice("A colleague changed part of this meanwhile; their change was left as it is.");
    };
    this.stage.eventBus.on("commandStack.changed", 500, (({ trigger }: { trigger?: string }) => {
      if (trigger === "execute") this.commit(history);
    }) as (event: never) => unknown);
  }

  /** What the last command did goes into the document; the model then follows what the view makes of it. */
  private commit(history: History): void {
    const changes = this.model.harvest();
    if (changes.length === 0) return;
    history.record(this.store.write(changes, this.local));
    this.follow();
  }

  private follow(): void {
    if (this.importing) return; // a fresh drawing is on its way and will show this too
    const patch = this.model.patch();
    if (patch.changed.size === 0 && patch.made.size === 0 && patch.gone.size === 0) return;
    try {
      this.drawing.apply(patch);
    } catch (error) {
      if (!(error instanceof Redraw)) this.stage.eventBus.fire("colane.redraw", { error });
      this.redraw();
    }
  }

  /** Everything anew, at the same place, with the same selection. */
  private redraw(): void {
    this.redraws += 1;
    const { canvas, selection, registry } = this.stage;
    canvas.getContainer().dataset["redraws"] = String(this.redraws);
    const { x, y, width, height } = canvas.viewbox();
    const selected = selection.get().map(({ id }) => id);
    this.importing = this.viewer
      .importDefinitions(this.model.load())
      .then(() => {
        this.model.settle();
        this.drawing = new Drawing(this.stage, this.model);
        canvas.viewbox({ x, y, width, height });
        selection.select(selected.map((id) => registry.get(id)).filter((element) => element !== undefined));
      })
      .finally(() => {
        this.importing = null;
      });
  }

  close(): void {
    this.off();
    this.history?.close();
  }
}
