import { act, renderHook, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { clearResources, useResource } from "./resource";

beforeEach(clearResources);

describe("useResource", () => {
  it("shows what it knows at once when a page comes back, and reads it again", async () => {
    const load = vi.fn().mockResolvedValueOnce("first").mockResolvedValue("second");
    const before = renderHook(() => useResource("key", load));
    await waitFor(() => expect(before.result.current.data).toBe("first"));
    before.unmount();
    const after = renderHook(() => useResource("key", load));
    expect(after.result.current.data).toBe("first");
    await waitFor(() => expect(after.result.current.data).toBe("second"));
  });

  it("keeps the last data beside an error", async () => {
    const load = vi.fn().mockResolvedValueOnce(1).mockRejectedValue(new Error("down"));
    const { result } = renderHook(() => useResource("key", load));
    await waitFor(() => expect(result.current.data).toBe(1));
    await act(() => result.current.reload());
    expect(result.current.data).toBe(1);
    expect(result.current.error).toEqual(new Error("down"));
    expect(result.current.loading).toBe(false);
  });

  it("ignores the answer of a request that a newer one replaced", async () => {
    const answers: ((value: string) => void)[] = [];
    const load = () => new Promise<string>((resolve) => answers.push(resolve));
    const { result } = renderHook(() => useResource("key", load));
    act(() => void result.current.reload());
    await act(async () => answers[1]?.("new"));
    await act(async () => answers[0]?.("old"));
    expect(result.current.data).toBe("new");
  });

  it("aborts when the page goes away", async () => {
    let signal: AbortSignal | undefined;
    const { unmount } = renderHook(() =>
      useResource("key", (given) => {
        signal = given;
        return new Promise(() => undefined);
      }),
    );
    unmount();
    expect(signal?.aborted).toBe(true);
  });
});
