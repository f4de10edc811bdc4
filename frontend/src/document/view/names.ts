// Which strings XML takes as names and text; the same character classes in both languages. Mirror of collab/bpmn/repair/names.py.
const START =
  "A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f" +
  "\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}";
const MORE = `${START}\\-.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040`;
const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`, "u");

export const NAME = whole(`[:${START}][:${MORE}]*`);
export const NCNAME = whole(`[${START}][${MORE}]*`);
export const QNAME = whole(`[${START}][${MORE}]*(:[${START}][${MORE}]*)?`);
export const INTEGER = whole("[+\\-]?[0-9]+");
export const NUMBER = whole("([+\\-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+\\-]?[0-9]+)?|-?INF|NaN)");
const UNFIT = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

export const unfit = (text: string): boolean => text.search(UNFIT) >= 0;
/** The text with what XML cannot hold replaced. */
export const fit = (text: string): string => text.replace(UNFIT, "\ufffd");
/** Python's strip with XML's white space. */
export const strip = (text: string): string => text.replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, "");

/** May a record be called so: an element's name, "#", "!" or "?target"? */
export function isTag(tag: string): boolean {
  if (tag === "#" || tag === "!") return true;
  if (tag.startsWith("?")) return NAME.test(tag.slice(1)) && tag.slice(1).toLowerCase() !== "xml";
  return NAME.test(tag);
}
