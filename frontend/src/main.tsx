// The page starts here.
import { render } from "preact";

const root = document.getElementById("app");
if (root) render(<p>Colane</p>, root);
