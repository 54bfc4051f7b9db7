import { expect, expectAccessible, test } from "./support";

const GATEWAY = process.env.GATEWAY_URL ?? "";

test("a key is shown once, works, and is refused after it was revoked", async ({
  signedIn,
  request,
}) => {
  const name = `walk ${Date.now()}`;
  await signedIn.goto("/keys");
  await signedIn.getByRole("button", { name: "New key" }).first().click();
  await signedIn.getByLabel("Name").fill(name);
  await expectAccessible(signedIn);
  await signedIn.getByRole("dialog").getByRole("button", { name: "New key" }).click();
  const key = (await signedIn.getByTestId("new-key").textContent()) ?? "";
  expect(key).toMatch(/^msaas_key_[0-9A-Za-z]{49}$/);
  await expectAccessible(signedIn);
  await signedIn.getByRole("button", { name: "I have stored it" }).click();
  await expect(signedIn.getByText(key)).toHaveCount(0);

  const use = () =>
    request.get(`${GATEWAY}/api/v1/jobs?limit=1`, { headers: { authorization: `Bearer ${key}` } });
  expect((await use()).status()).toBe(200);

  await signedIn.getByRole("button", { name: `Actions for ${name}` }).click();
  await signedIn.getByRole("menuitem", { name: "Revoke" }).click();
  await signedIn.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  const row = signedIn.getByRole("row").filter({ hasText: name });
  await expect(row).toContainText("Revoked");
  await expect.poll(async () => (await use()).status(), { timeout: 10_000 }).toBe(401);
});
