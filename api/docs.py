"""The documentation at /docs: the OpenAPI document as one page for people, made once, at start.

No script, no font, nothing from elsewhere: one style sheet, allowed by its hash, and what folds folds by itself.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from api.problems import CODES

_STYLE: Final = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#e3e7ed;--ground:#f6f8fa;--link:#1a56c4}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa6b5;--line:#2b3440;--ground:#161c24;--link:#7fb0ff}
body{background:#0f141a}pre,.where{background:#161c24}}
*{box-sizing:border-box}html{scroll-padding-top:1rem}
body{margin:0;color:var(--ink);font:16px/1.55 system-ui,sans-serif;display:grid;grid-template-columns:16rem minmax(0,1fr)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem;border-right:1px solid var(--line);font-size:14px}
nav a{display:block;padding:.2rem .5rem;color:inherit;text-decoration:none;border-radius:.3rem}
nav a:hover{background:var(--ground)}
main{padding:2rem clamp(1rem,4vw,4rem) 6rem;max-width:68rem}
h1{font-size:1.7rem;margin:0 0 .5rem}h2{font-size:1.25rem;margin:3rem 0 .3rem}h3{font-size:.95rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0 .8rem;max-width:46rem}.soft{color:var(--soft)}a{color:var(--link)}
code,pre{font:13px/1.5 ui-monospace,Consolas,monospace}code{overflow-wrap:anywhere}
pre{background:var(--ground);padding:.8rem 1rem;border-radius:.4rem;overflow:auto;max-height:24rem;margin:.4rem 0}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0}
details[open]>summary{border-bottom:1px solid var(--line)}
summary{cursor:pointer;padding:.55rem .8rem;display:flex;gap:.7rem;align-items:baseline;flex-wrap:wrap}
summary:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.inside{padding:.4rem 1rem 1rem}.inside details summary{font-size:14px}
.verb{font:600 12px/1.6 ui-monospace,monospace;min-width:4.2rem;text-align:center;border-radius:.3rem;color:#fff}
.get{background:#1d6f42}.post{background:#1a56c4}.put{background:#8a5a00}.patch{background:#6b3fa0}.delete{background:#b3261e}
table{border-collapse:collapse;width:100%;font-size:14px}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}th{font-weight:600}
.must{color:#b3261e}.deep td:first-child{padding-left:1.4rem}
@media(max-width:50rem){body{display:block}.inside{padding:.4rem .5rem 1rem;overflow-x:auto}
nav{position:static;height:auto;border:0}}
"""
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MOST: Final = 3  # levels of a schema shown inside each other
_PATTERN: Final = 40  # characters of a pattern worth reading


def page(document: Mapping[str, Any]) -> bytes:
    """The page of a document."""
    return "".join(_Page(document).write()).encode()


class _Page:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.schemas: Mapping[str, Any] = document["components"]["schemas"]

    def write(self) -> Iterator[str]:
        info = self.document["info"]
        yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Colane: REST API</title>'
        yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><nav>'
        yield '<a href="#top"><b>Colane REST API</b></a>'
        for tag in self.document["tags"]:
            yield f'<a href="#{tag["name"]}">{escape(tag["name"].title())}</a>'
        yield '<a href="#errors">Errors</a><a href="/openapi.json">openapi.json</a></nav><main>'
        yield f'<h1 id="top">Colane REST API</h1><p>{escape(info["summary"])} Version {escape(info["version"])}.</p>'
        yield f"<p>{_marked(info['description'])}</p>"
        yield "<p>Sign in with <code>Authorization: Bearer &lt;token&gt;</code> or the session cookie.</p>"
        for tag in self.document["tags"]:
            yield f'<h2 id="{tag["name"]}">{escape(tag["name"].title())}</h2>'
            yield f'<p class="soft">{escape(tag["description"])}</p>'
            for path, methods in self.document["paths"].items():
                for method, operation in methods.items():
                    if operation["tags"] == [tag["name"]]:
                        yield from self._operation(method, path, operation)
        yield from _errors()
        yield "</main></body></html>"

    def _operation(self, method: str, path: str, one: Mapping[str, Any]) -> Iterator[str]:
        yield f'<details id="{one["operationId"]}"><summary><span class="verb {method}">{method.upper()}</span>'
        yield f'<code>{escape(path)}</code><span class="soft">{escape(one["summary"])}</span></summary>'
        yield f'<div class="inside"><p>{_marked(one["description"])}</p>'
        if "parameters" in one:
            yield "<h3>Parameters</h3><table><tr><th>Name</th><th>In</th><th>What</th><th>Example</th></tr>"
            for parameter in one["parameters"]:
                yield self._parameter(parameter)
            yield "</table>"
        if "requestBody" in one:
            kinds = one["requestBody"]["content"]
            yield f"<h3>Body <span class='soft'>{', '.join(map(escape, kinds))}</span></h3>"
            yield from self._content(kinds)
        yield "<h3>Answers</h3>"
        for status, answer in one["responses"].items():
            if "x-codes" not in answer:
                yield from self._answer(status, answer)
        yield "<h3>Errors</h3><table>"
        for status, answer in one["responses"].items():
            for code in answer.get("x-codes", ()):
                title = escape(CODES[code].title)
                yield f'<tr><td>{status}</td><td><a href="#{code}"><code>{code}</code></a></td><td>{title}</td></tr>'
        yield "</table></div></details>"

    def _parameter(self, one: Mapping[str, Any]) -> str:
        must = ' <span class="must" title="required">*</span>' if one["required"] else ""
        shown = f"<code>{escape(str(one['example']))}</code>" if "example" in one else ""
        what = f"{self._kind(one['schema'])}<br>{escape(one.get('description', ''))}".removesuffix("<br>")
        return f"<tr><td><code>{one['name']}</code>{must}</td><td>{one['in']}</td><td>{what}</td><td>{shown}</td></tr>"

    def _answer(self, status: str, answer: Mapping[str, Any]) -> Iterator[str]:
        content = answer.get("content", {})
        kinds = ", ".join(content) or "no body"
        yield f'<details><summary><b>{status}</b>{escape(answer["description"])} <span class="soft">{kinds}</span></summary>'
        yield '<div class="inside">'
        yield from self._content(content)
        yield "<table>"
        for name, header in answer.get("headers", {}).items():
            told = self._followed(header)
            often = "" if told["required"] else " (where it applies)"
            yield f"<tr><td><code>{name}</code></td><td>{escape(told['description'])}{often}</td></tr>"
        yield "</table></div></details>"

    def _content(self, content: Mapping[str, Any]) -> Iterator[str]:
        shown: list[str] = []
        for kind, media in content.items():
            if "json" in kind:
                yield "<table>"
                yield from self._fields(media["schema"], 0)
                yield "</table>"
            if "example" in media:
                text = media["example"]
                if not isinstance(text, str):
                    text = json.dumps(text, indent=2, ensure_ascii=False)
                if text not in shown:  # several names of one media type
                    shown.append(text)
                    yield f"<pre>{escape(text)}</pre>"

    def _fields(self, schema: Mapping[str, Any], depth: int) -> Iterator[str]:
        whole = self._followed(schema)
        for name, field in whole.get("properties", {}).items():
            must = ' <span class="must" title="always there">*</span>' if name in whole.get("required", ()) else ""
            inner = self._inner(field)
            yield f"<tr{' class=deep' * bool(depth)}><td>{'· ' * depth}<code>{escape(name)}</code>{must}</td>"
            yield f"<td>{self._kind(field)}</td><td>{escape(self._followed(field).get('description', ''))}</td></tr>"
            if inner is not None and depth < _MOST:
                yield from self._fields(inner, depth + 1)

    def _inner(self, field: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The object inside a field, a list of them, or one that may be missing."""
        options = [self._followed(one) for one in field.get("anyOf", [field])]
        options += [self._followed(one["items"]) for one in options if isinstance(one.get("items"), Mapping)]
        return next((one for one in options if one.get("properties")), None)

    def _kind(self, schema: Mapping[str, Any]) -> str:
        """A schema in a few words."""
        if "anyOf" in schema:
            return " or ".join(self._kind(one) for one in schema["anyOf"])
        whole = self._followed(schema)
        if "enum" in whole:
            return " | ".join(f"<code>{escape(str(one))}</code>" for one in whole["enum"])
        if "const" in whole:
            return f"<code>{escape(json.dumps(whole['const']))}</code>"
        if whole.get("type") == "array":
            return f"list of {self._kind(whole['items'])}" if whole.get("items") else "list"
        words = [str(whole.get("format") or whole.get("type") or "anything")]
        for key, text in (("minimum", "≥"), ("maximum", "≤"), ("minLength", "length ≥"), ("maxLength", "length ≤")):
            if key in whole:
                words.append(f"{text} {whole[key]}")
        if len(whole.get("pattern", "")) in range(1, _PATTERN):
            words.append(f"<code>{escape(whole['pattern'])}</code>")
        if whole.get("default") is not None:
            words.append(f"default {escape(str(whole['default']))}")
        return ", ".join(words)

    def _followed(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found = schema
        while "$ref" in found:
            kind, name = found["$ref"].split("/")[-2:]
            found = self.document["components"][kind][name]
        return found


def _marked(text: str) -> str:
    """Escaped, with `code` as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))


def _errors() -> Iterator[str]:
    yield '<h2 id="errors">Errors</h2><p class="soft">The whole list. A code says what went wrong; texts may change.</p>'
    yield "<table><tr><th>Status</th><th>Code</th><th>What it means, what to do</th></tr>"
    for name, code in CODES.items():
        again = " May be repeated as it is." if code.retryable else ""
        yield f'<tr id="{name}"><td>{code.status}</td><td><code>{name}</code></td>'
        yield f"<td>{escape(code.title)}. {escape(code.advice)}{again}</td></tr>"
    yield "</table>"
