// Offers the scopes of the user for a new API key. No key can change the account.
import { scopes } from "./session.js";

const fieldset = document.querySelector("#api_keys fieldset");

document.addEventListener("signed-in", () => {
  for (const each of fieldset.querySelectorAll("label")) each.remove();
  for (const value of scopes()) {
    if (value === "account:write") continue;
    const label = document.createElement("label");
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", name: "scopes", value });
    label.append(box, value);
    fieldset.append(label);
  }
});
