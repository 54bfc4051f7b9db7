import type { WorkflowType } from "./model";

/** A run that works as it is; `site` is the demo site of an installation on one machine. */
export function buildExample(workflow: WorkflowType, site: string | null): Record<string, unknown> {
  const page = site ? `${site}/article` : "https://example.com/";
  switch (workflow) {
    case "research":
      return {
        question: site ? "How is a light read?" : "What is this domain for?",
        seeds: [site ? `${site}/` : page],
      };
    case "extract":
      return {
        urls: [page],
        instruction: "The heading of the page",
        output_schema: {
          type: "object",
          properties: { heading: { type: "string" } },
          required: ["heading"],
        },
      };
    case "monitor":
      return { name: "example", url: page };
  }
}
