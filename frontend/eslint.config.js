// What the compiler cannot say: who may import whom, and how long a file may get.
import tseslint from "typescript-eslint";

const forbid = (files, patterns, ignores = []) => ({
  files,
  ignores,
  rules: { "no-restricted-imports": ["error", { patterns }] },
});

const editorLibraries = {
  regex: "^(bpmn-js|diagram-js|bpmn-moddle)(/|$)",
  message: "Only src/binding may import the editor's libraries.",
};

export default tseslint.config(
  { ignores: ["dist", "dist-mirror", "node_modules"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "max-lines": ["error", { max: 250, skipBlankLines: true, skipComments: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      // Registers are JSON of a known shape: what is made a string there is a string or a number.
      "@typescript-eslint/no-base-to-string": "off",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  forbid(["src/**/*.{ts,tsx}"], [editorLibraries], ["src/binding/**", "src/document/**"]),
  forbid(
    ["src/document/**/*.ts"],
    [{ regex: "^(?!yjs$|\\.|vitest$|node:)", message: "The document knows yjs and nothing else." }],
  ),
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/binding/**"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "Literal[value='commandStack']", message: "Only src/binding touches the command stack." },
      ],
    },
  },
  { files: ["**/*.test.{ts,tsx}"], rules: { "max-lines": ["error", 500] } },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
);
