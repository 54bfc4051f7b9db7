/**
 * Load a part before it is needed; where that fails, as it does offline, it is loaded when it is opened.
 */
export function preload(load: () => Promise<unknown>): void {
  load().catch(() => undefined);
}
