// bpmn-js moves a label out of the way of every line that is laid out anew, so that moving a task moves its neighbours' labels too. Here a
// label makes room only for what is newly drawn at it: an edit changes what the user touched, and nothing else.
import AdaptiveLabelPositioningBehavior from "bpmn-js/lib/features/modeling/behavior/AdaptiveLabelPositioningBehavior";

const LAID_OUT = new Set(["connection.layout", "connection.updateWaypoints"]);

type Interceptor = new (eventBus: unknown, modeling: unknown) => { postExecuted(events: string[], handler: unknown): void };

export class SteadyLabels extends (AdaptiveLabelPositioningBehavior as unknown as Interceptor) {
  static $inject = ["eventBus", "modeling"];

  override postExecuted(events: string[], handler: unknown): void {
    super.postExecuted(
      events.filter((event) => !LAID_OUT.has(event)),
      handler,
    );
  }
}
