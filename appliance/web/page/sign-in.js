/** The sign-in: one field for the code of a link. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { describeError } from "./messages.js";

/** Asks for a code or a link, and signs in with it. */
export class SignIn extends Component {
  /**
   * @param {string} device its name
   * @param {() => void} onSignIn called after the sign-in
   */
  constructor(device = "", onSignIn = () => {}) {
    super();
    this.device = device;
    this.onSignIn = onSignIn;
  }

  build() {
    const problem = h("p", { class: "error-text", id: "sign-in-problem", role: "alert" });
    const field = h("input", {
      type: "password", name: "code", required: true, autocomplete: "off", "aria-describedby": "sign-in-problem sign-in-help",
    });
    const button = h("button", { class: "primary" }, "Sign in");
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      button.disabled = true;
      replace(problem);
      try {
        await request("POST", "/api/session", { json: { code: field.value.trim().replace(/^.*#/, "") } });
        this.onSignIn();
      } catch (error) {
        replace(problem, describeError(error));
        field.select();
        field.focus();
      } finally {
        button.disabled = false;
      }
    };
    this.className = "sign-in card stack";
    replace(this,
      h("h1", null, this.device || "Camera"),
      h("form", { class: "stack", onsubmit: submit },
        h("label", { class: "field" }, h("span", null, "Code or link"), field),
        problem,
        button),
      h("p", { class: "soft", id: "sign-in-help" }, "Run ", h("code", null, "sudo appliance web"), " on the device for a link."));
    field.focus();
  }
}
customElements.define("sign-in", SignIn);
