// The page starts here.
import { render } from "preact";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/editor-frame.css";
import "./styles/list.css";
import "./styles/sign-in.css";
import { App } from "./ui/app.tsx";
import { followLinks } from "./ui/route.ts";
import { begin } from "./ui/session.ts";

const root = document.getElementById("app");
if (root) {
  followLinks();
  void begin();
  render(<App />, root);
}
