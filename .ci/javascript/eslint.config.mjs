import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    // A plain script, as a page has it.
    languageOptions: { ecmaVersion: 2022, sourceType: "script", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: { "no-var": "error", "no-undef": "error", "prefer-const": ["error", { destructuring: "all" }], strict: ["error", "global"] },
  },
];
