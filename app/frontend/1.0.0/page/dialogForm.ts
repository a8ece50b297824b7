import { type FieldError, newToken, Refused, Unreachable } from "./calls";
import { announce, byId, setText, within } from "./elements";

/** What a person typed, by the name of the field. */
export type Values = Record<string, string>;

/**
 * Sends the change and resolves to what is then said of it; throws Refused with what the person must
 * mend. The token makes repeats harmless.
 */
export type Save = (values: Values, token: string) => Promise<string>;

/**
 * A dialog with a form: shows errors next to their fields, keeps what was typed when saving fails, and
 * closes when it worked. The browser keeps the focus inside and gives it back afterwards.
 */
export class DialogForm {
  readonly #dialog: HTMLDialogElement;
  readonly #form: HTMLFormElement;
  readonly #button: HTMLButtonElement;
  readonly #onSaved: () => Promise<void>;
  #save: Save = () => Promise.resolve("");
  #token = newToken();
  /** Which opening this is: the end of a save that an earlier one began is none of this one's. */
  #opening = 0;

  /** @param onSaved what to read again once a change is saved: it may fail, and the change is there */
  constructor(id: string, onSaved: () => Promise<void>) {
    this.#onSaved = onSaved;
    this.#dialog = byId(id, HTMLDialogElement);
    this.#form = within(this.#dialog, "form", HTMLFormElement);
    this.#button = within(this.#form, "[type=submit]", HTMLButtonElement);
    within(this.#form, ".cancel", HTMLButtonElement).addEventListener("click", () => {
      this.#dialog.close();
    });
    this.#dialog.addEventListener("close", () => {
      // The button that opened it may be gone by now, with its row: then the focus stays behind.
      const { activeElement, body } = document;
      const isLost = activeElement === body || this.#dialog.contains(activeElement);
      if (isLost) byId("main", HTMLElement).focus();
    });
    // Another text is another change, so it gets a token of its own; a repeat keeps its token.
    this.#form.addEventListener("input", () => (this.#token = newToken()));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  /** @param fill what the fields hold at first */
  open(fill: Values, save: Save, words: { title?: string; about?: string } = {}): void {
    this.#opening++;
    this.#save = save;
    this.#token = newToken();
    this.#button.removeAttribute("aria-disabled");
    this.#form.reset();
    for (const [name, value] of Object.entries(fill)) this.#field(name).value = value;
    if (words.title !== undefined) setText(this.#form, "h2", words.title);
    if (words.about !== undefined) setText(this.#form, ".about", words.about);
    this.#showErrors([], "");
    this.#dialog.showModal();
    const first = this.#form.querySelector("input, select");
    if (first instanceof HTMLInputElement) first.select();
  }

  async #submit(): Promise<void> {
    if (this.#button.getAttribute("aria-disabled") === "true") return;
    const opening = this.#opening;
    const values: Values = {};
    for (const name of new FormData(this.#form).keys()) {
      const field = this.#field(name);
      // What a person types may end in a slip of the space bar; what they choose is a name as it is.
      values[name] = field instanceof HTMLSelectElement ? field.value : field.value.trim();
    }
    // Not the disabled attribute: it would drop the focus.
    this.#button.setAttribute("aria-disabled", "true");
    this.#showErrors([], "");
    let saved: string;
    try {
      saved = await this.#save(values, this.#token);
    } catch (error) {
      if (opening === this.#opening) {
        this.#button.removeAttribute("aria-disabled");
        this.#explain(error);
      }
      return;
    }
    try {
      await this.#onSaved();
    } finally {
      if (opening === this.#opening) this.#dialog.close();
      announce(saved);
    }
  }

  #explain(error: unknown): void {
    if (error instanceof Refused) {
      this.#token = newToken();
      const here = error.errors.filter(({ field }) => this.#form.elements.namedItem(field));
      const elsewhere = here.length === 0 ? error.message : "";
      this.#showErrors(here, elsewhere);
    } else if (error instanceof Unreachable) {
      this.#showErrors([], "This is not saved yet, because nobody answered. Please try again.");
    } else {
      this.#showErrors([], "Something went wrong on this page. Please reload it.");
      throw error;
    }
  }

  #showErrors(errors: readonly FieldError[], general: string): void {
    setText(this.#form, ".form-error", general);
    for (const paragraph of this.#form.querySelectorAll(".error")) paragraph.textContent = "";
    for (const field of this.#form.querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
    }
    for (const { field, message } of errors) {
      const input = this.#field(field);
      input.setAttribute("aria-invalid", "true");
      byId(`${input.id}-error`, HTMLElement).textContent = asSentence(message);
    }
    const [first] = errors;
    if (first !== undefined) this.#field(first.field).focus();
  }

  #field(name: string): HTMLInputElement | HTMLSelectElement {
    const field = this.#form.elements.namedItem(name);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) return field;
    throw new Error(`The form has no field ${name}`);
  }
}

/** "must not be empty" as it stands under a field: "Must not be empty." */
function asSentence(message: string): string {
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return sentence.endsWith(".") ? sentence : `${sentence}.`;
}
