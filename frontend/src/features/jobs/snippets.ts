/** A request as a command to copy. The key is a variable: a secret does not belong in a clipboard. */

export interface SnippetRequest {
  readonly task_type: string;
  readonly params: unknown;
  readonly [name: string]: unknown;
}

export function toCurl(request: SnippetRequest, idempotencyKey: string, apiUrl: string): string {
  const body = JSON.stringify(request).replaceAll("'", "'\\''");
  return [
    `curl ${apiUrl}/jobs \\`,
    '  -H "Authorization: Bearer $MSAAS_KEY" \\',
    `  -H "Idempotency-Key: ${idempotencyKey}" \\`,
    '  -H "Content-Type: application/json" \\',
    `  -d '${body}'`,
  ].join("\n");
}

export function toPython(request: SnippetRequest, idempotencyKey: string, apiUrl: string): string {
  return [
    "import json, os, urllib.request",
    "",
    `body = json.loads(${toPythonText(JSON.stringify(request))})`,
    "request = urllib.request.Request(",
    `    "${apiUrl}/jobs",`,
    "    data=json.dumps(body).encode(),",
    "    headers={",
    '        "Authorization": f"Bearer {os.environ[\'MSAAS_KEY\']}",',
    `        "Idempotency-Key": "${idempotencyKey}",`,
    '        "Content-Type": "application/json",',
    "    },",
    ")",
    'print(json.load(urllib.request.urlopen(request))["id"])',
  ].join("\n");
}

/** JSON's escapes are also Python's, for text in ASCII. */
function toPythonText(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
