import createClient from "openapi-fetch";
import type { components, paths } from "../../dist/clients/schema.js";

type Tokens = components["schemas"]["TokenPair"];

export async function logIn(baseUrl: string, email: string, password: string) {
  const open = createClient<paths>({ baseUrl });
  const login = await open.POST("/api/v1/auth/login", { body: { email, password } });
  if (!login.data) throw new Error(login.error.code);
  // An account with a second factor gets an `mfa_token` for the next step.
  if (!("access_token" in login.data)) throw new Error("second factor needed");
  let tokens: Tokens = login.data;

  const send = (request: Request) => {
    request.headers.set("Authorization", `Bearer ${tokens.access_token}`);
    return fetch(request);
  };
  // The access token expires after some minutes. Renew it, and send the request again.
  const sendAgain = async (request: Request) => {
    const copy = request.clone();
    const answer = await send(request);
    if (answer.status !== 401) return answer;
    const { refresh_token } = tokens;
    const renewed = await open.POST("/api/v1/auth/refresh", { body: { refresh_token } });
    if (!renewed.data) return answer;
    tokens = renewed.data;
    return send(copy);
  };
  const expire = () => { tokens = { ...tokens, access_token: "expired" }; };
  return { api: createClient<paths>({ baseUrl, fetch: sendAgain }), expire };
}

export async function run(baseUrl: string, email: string, password: string) {
  const { api, expire } = await logIn(baseUrl, email, password);
  const seen: string[] = [];

  // You can send the request twice: with the same key it creates only one product.
  const body = { sku: "TS-1", name: "Mug", price: "12.50", currency: "EUR" } as const;
  const header = { "idempotency-key": "order-4711" };
  const created = await api.POST("/api/v1/products", { body, params: { header } });
  const again = await api.POST("/api/v1/products", { body, params: { header } });
  if (!created.data || !again.data) throw new Error("not created");
  if (created.data.id === again.data.id) seen.push("created once");

  // `code` has only the values that this operation can return.
  const taken = await api.POST("/api/v1/products", { body });
  if (taken.error?.code === "sku_taken") seen.push("sku taken");

  expire();
  const etag = created.response.headers.get("ETag") ?? "";
  const change = (name: string) =>
    api.PATCH("/api/v1/products/{product_id}", {
      params: { path: { product_id: created.data.id }, header: { "if-match": etag } },
      body: { name },
    });
  if ((await change("Cup")).data?.name === "Cup") seen.push("changed after a 401");
  if ((await change("Pot")).error?.code === "precondition_failed") seen.push("conflict");

  const file = ["TS-2", "TS-3"].map((sku) => JSON.stringify({ ...body, sku })).join("\n");
  const imported = await api.POST("/api/v1/products/import", {
    body: file,
    bodySerializer: (text) => text,
    headers: { "Content-Type": "application/x-ndjson" },
  });
  seen.push(`imported ${imported.data?.created}`);

  let cursor: string | undefined;
  let products = 0;
  do {
    const query = { limit: 2, cursor };
    const { data, error } = await api.GET("/api/v1/products", { params: { query } });
    if (!data) throw new Error(error.code);
    products += data.items.length;
    cursor = data.next_cursor ?? undefined;
  } while (cursor);
  seen.push(`listed ${products}`);
  return seen;
}
